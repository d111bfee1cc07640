"""Benchmark sets of images: a folder for each corruption and severity, and a control that the codec treats alike."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from noisecli import recipe as recipes
from noisecli.errors import RecipeProblem, UsageProblem
from noisecli.manifest import verify
from noisecli.recipe import builtin
from noisecli.run import augment

Command = Callable[..., Any]
Tree = Callable[[Path], dict[str, bytes]]

SETS = ("imagenet-c", "imagenet-c-bar")
HEAD = {"noisecli": 1, "seed": 3, "purpose": "evaluate"}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes of small photographs, as JPEG with metadata and as PNG."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for i, name in enumerate(("astronaut", "coffee", "chelsea")):
        with Image.open(Path(__file__).parents[1] / f"docs/photographs/{name}.png") as photograph:
            small = photograph.convert("RGB").resize((48, 40))
        path = tmp_path / "photos" / ("people" if i == 0 else "things") / f"{name}.{'png' if i == 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        small.save(path, exif=exif, dpi=(300, 300), **({} if i == 2 else {"comment": b"by hand", "quality": 80}))
    (tmp_path / "photos" / "labels.csv").write_text("a,b\n")
    return tmp_path / "photos"


def pixels(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("name", SETS)
def test_a_benchmark_is_one_command(name: str, photographs: Path, tmp_path: Path, command: Command) -> None:
    (photographs / "things").rename(photographs / "test")  # held out from training, and what benchmarks are for
    done = command("augment", photographs, "-r", f"builtin:{name}", "-o", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    recipe = recipes.load(f"builtin:{name}", target="images")
    assert recipe.seed == 1  # the same set for everybody
    ops = {step.corruption.name for step in recipe.steps}
    assert len(ops) == {"imagenet-c": 19, "imagenet-c-bar": 10}[name]
    expected = {f"{op}/{severity}" for op in ops for severity in range(1, 6)} | {"clean/0"}
    files = {path.relative_to(photographs) for path in photographs.rglob("*") if path.is_file()}
    found = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {folder / file for folder in map(Path, expected) for file in files}
    for path in found:
        is_carried = (tmp_path / "out" / path).read_bytes() == photographs.joinpath(*path.parts[2:]).read_bytes()
        assert is_carried == (path.suffix == ".csv") or path.suffix == ".png", path
    assert command("verify", tmp_path / "out", "--input", photographs).code == 0


def test_a_benchmark_depends_neither_on_workers_nor_on_other_images(
    photographs: Path, tmp_path: Path, tree: Tree
) -> None:
    one = tree(augment(photographs, "builtin:imagenet-c", tmp_path / "one", workers=1).output)
    two = tree(augment(photographs, "builtin:imagenet-c", tmp_path / "two", workers=2).output)
    assert one == two
    shutil.copy(photographs / "people/astronaut.jpg", photographs / "people/another.jpg")
    more = tree(augment(photographs, "builtin:imagenet-c", tmp_path / "more", workers=2).output)
    assert one.items() < more.items()


def test_the_clean_control_has_lost_to_the_codec_what_the_others_have_lost(photographs: Path, tmp_path: Path) -> None:
    out = augment(photographs, "builtin:imagenet-c", tmp_path / "out", workers=1).output
    source = pixels(photographs / "things/coffee.jpg")
    Image.fromarray(source).save(tmp_path / "again.jpg", quality=95, subsampling="4:4:4")
    assert np.array_equal(pixels(out / "clean/0/things/coffee.jpg"), pixels(tmp_path / "again.jpg"))
    assert np.array_equal(pixels(out / "clean/0/things/chelsea.png"), pixels(photographs / "things/chelsea.png"))


def test_the_clean_control_is_there_once_beside_all_steps(photographs: Path, tmp_path: Path) -> None:
    outputs = augment(photographs, "builtin:imagenet-c-bar", tmp_path / "out", workers=1).manifest.outputs
    assert len({entry.path for entry in outputs}) == len(outputs) == (10 * 5 + 1) * 4


def test_exact_loses_nothing_and_keeps_what_the_file_says(photographs: Path, tmp_path: Path) -> None:
    (photographs / "things/coffee.jpg").rename(photographs / "things/coffee.v1.jpg")
    recipe = {**HEAD, "encode": "exact", "steps": [{"op": "cutout", "size": 0.3, "rate": 0.5}]}
    done = augment(photographs, recipe, tmp_path / "out", workers=1)
    assert {entry.path for entry in done.manifest.outputs} == {
        *("labels.csv", "people/astronaut.png", "things/chelsea.png", "things/coffee.v1.png")
    }
    for entry in done.manifest.outputs:
        if entry.path != "labels.csv":
            clean, noisy = pixels(photographs / entry.input), pixels(done.output / entry.path)
            held = (noisy == clean) | (noisy == 0)
            assert held.all()
            assert (noisy != clean).any() == bool(entry.drawn)
    with Image.open(done.output / "people/astronaut.png") as written:
        assert written.getexif()[0x0112] == 6
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert written.info["Comment"] == "by hand"
    assert verify(done.output, source=photographs)[1] == []


def test_one_image_is_written_as_png(photographs: Path, tmp_path: Path) -> None:
    recipe = {**HEAD, "encode": "exact", "steps": [{"op": "fog", "severity": 1}]}
    with pytest.raises(UsageProblem, match=r"another format: let the name end as in coffee\.png"):
        augment(photographs / "things/coffee.jpg", recipe, tmp_path / "fog.jpg")
    done = augment(photographs / "things/coffee.jpg", recipe, f"{tmp_path}/in/")
    assert done.output == tmp_path / "in" / "coffee.png"
    with Image.open(done.output) as written:
        assert written.format == "PNG"


def test_one_image_may_be_a_benchmark(photographs: Path, tmp_path: Path) -> None:
    layout = {"layout": "imagenet-c", "sweep": {"steps": "alone", "severity": [1, 2]}}
    recipe = {**HEAD, **layout, "steps": [{"op": "fog", "severity": 1}]}
    done = augment(photographs / "things/coffee.jpg", recipe, tmp_path / "out")
    assert [entry.path for entry in done.manifest.outputs] == ["fog/1/coffee.jpg", "fog/2/coffee.jpg"]


@pytest.mark.parametrize("dots", [(2**32 - 1, 1), (300, 1)])
def test_exact_takes_whatever_a_jpeg_claims(photographs: Path, tmp_path: Path, dots: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x0128] = TiffImagePlugin.IFDRational(*dots), 2
    about = {"exif": exif, "comment": "Łódź ☃".encode(), "xmp": b"<x/>", "icc_profile": b"a profile"}
    with Image.open(photographs / "things/coffee.jpg") as picture:
        picture.convert("L").save(tmp_path / "in.jpg", **about)
    recipe = {**HEAD, "encode": "exact", "steps": [{"op": "cutout"}]}
    with Image.open(augment(tmp_path / "in.jpg", recipe, tmp_path / "out.png").output) as written:
        assert (written.mode, written.getexif()[0x011A]) == ("L", dots[0])
        assert [written.info[key] for key in ("Comment", "xmp", "icc_profile")] == ["Łódź ☃", b"<x/>", b"a profile"]
        assert ("dpi" in written.info) == (dots[0] == 300)


def test_names_that_would_be_one_are_refused(photographs: Path, tmp_path: Path) -> None:
    shutil.copy(photographs / "things/chelsea.png", photographs / "things/coffee.png")
    recipe = {**HEAD, "encode": "exact", "steps": [{"op": "fog", "severity": 1}]}
    with pytest.raises(UsageProblem, match=r"things/coffee.png and things/coffee.jpg: .* written to things/coffee.png"):
        augment(photographs, recipe, tmp_path / "out")


def test_a_folder_may_not_stand_where_an_image_goes(photographs: Path, tmp_path: Path) -> None:
    (photographs / "people").rename(photographs / "things/coffee.png")
    recipe = {**HEAD, "encode": "exact", "steps": [{"op": "fog", "severity": 1}]}
    with pytest.raises(UsageProblem, match=r"things/coffee\.png"):
        augment(photographs, recipe, tmp_path / "out")


def test_a_mask_keeps_its_name_before_others(photographs: Path, tmp_path: Path) -> None:
    shutil.copy(photographs / "things/chelsea.png", photographs / "things/coffee.png")
    recipe = {**HEAD, "encode": "exact", "data": {"masks": "*coffee.png"}, "steps": [{"op": "fog", "severity": 1}]}
    with pytest.raises(UsageProblem, match=r"written to things/coffee.png"):
        augment(photographs, recipe, tmp_path / "out")


def test_the_only_copy_in_a_merged_sweep_keeps_its_names(photographs: Path, tmp_path: Path) -> None:
    recipe = {**HEAD, "layout": "merged", "sweep": {"severity": [1]}, "steps": [{"op": "fog", "severity": 1}]}
    outputs = augment(photographs, recipe, tmp_path / "out").manifest.outputs
    assert {entry.path for entry in outputs} == {f"severity=1/{entry.input}" for entry in outputs}


def test_what_cannot_be_read_keeps_its_format(photographs: Path, tmp_path: Path) -> None:
    (photographs / "things/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    recipe = {**HEAD, "encode": "exact", "on_error": "skip", "steps": [{"op": "fog", "severity": 1}]}
    done = augment(photographs, recipe, tmp_path / "out", workers=1)
    assert (done.output / "things/broken.jpg").read_bytes() == b"\xff\xd8\xff nothing"
    assert [entry["path"] for entry in done.manifest.skipped] == ["things/broken.jpg"]
    assert verify(done.output, source=photographs)[1] == []


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ({"layout": "imagenet-c"}, "has a folder for each step and severity, and nothing else"),
        ({"layout": "imagenet-c", "sweep": {"severity": [1, 2]}}, "has a folder for each step and severity"),
        (
            {"layout": "imagenet-c", "sweep": {"steps": "alone", "severity": [1], "steps.fog.rate": [0.5]}},
            "has a folder for each step and severity",
        ),
        (
            {"layout": "imagenet-c", "copies": 2, "sweep": {"steps": "alone", "severity": [1]}},
            "has no place for several copies: leave out `copies`",
        ),
    ],
)
def test_a_layout_that_cannot_be_is_refused(head: dict[str, Any], fault: str) -> None:
    with pytest.raises(RecipeProblem, match=fault):
        recipes.load({**HEAD, **head, "steps": [{"op": "fog", "severity": 1}]}, target="images")


@pytest.mark.parametrize("name", ["clean", ".", ".."])
def test_a_step_takes_no_place_of_another(name: str) -> None:
    layout = {"layout": "imagenet-c", "keep_original": True, "sweep": {"steps": "alone", "severity": [0, 1]}}
    steps = [{"op": "fog", "severity": 1}, {"op": "contrast", "id": name, "severity": 1}]
    with pytest.raises(RecipeProblem, match=rf"steps\.1\.id: .* names a folder after each step, and '{name}' is "):
        recipes.load({**HEAD, **layout, "steps": steps}, target="images")
    named = recipes.load({**HEAD, "layout": "copies", "sweep": layout["sweep"], "steps": steps}, target="images")
    assert named.variants[-1].folder == f"step={name}/severity=1"


@pytest.mark.parametrize(("key", "value"), [("layout", "imagenet-c"), ("encode", "every"), ("encode", "exact")])
def test_what_is_for_images_is_refused_for_tables(key: str, value: str) -> None:
    recipe = {**HEAD, key: value, "steps": [{"op": "missing", "columns": "a"}]}
    with pytest.raises(RecipeProblem, match=f"{key}: {value} is for images"):
        recipes.load(recipe, target="table")


def test_benchmarks_are_listed() -> None:
    assert set(SETS) <= set(builtin.names())
