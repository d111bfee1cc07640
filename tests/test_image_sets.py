"""Steps on sets of images: mixed, cloned and mislabelled ones, with labels and metadata that follow."""

import csv
import gc
import json
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from noisecli.errors import DataProblem, NoiseError, RecipeProblem, UsageProblem
from noisecli.run import augment, replay

# Hugging Face leaves the CSV files open that it reads.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CLASSES = ("blue", "green", "red")
HEAD = {"noisecli": 1, "seed": 5}
MIXES: list[dict[str, Any]] = [{"op": "mixup", "alpha": 1, "rate": 0.7}, {"op": "cutmix", "rate": 0.7}]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten images a class and two held out ones, of some sizes; those of a class have one channel at white."""
    root = tmp_path / "photos"
    for i in range(36):
        name, split = CLASSES[i % 3], "val" if i >= 30 else "train"
        pixels = np.zeros((17 + i % 5, 23 + i % 4, 3), np.uint8)
        pixels[..., 2 - i % 3] = 255
        path = root / split / name / f"{i // 3}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mass(row: dict[str, Any]) -> list[float]:
    return [float(row[f"label__p__{name}"]) for name in reversed(CLASSES)]


def light(path: Path) -> list[float]:
    """Share of each channel in the light of an image."""
    pixels = np.asarray(Image.open(path), np.float64)
    return list(pixels.mean((0, 1)) / 255)


@pytest.mark.parametrize("head", [{}, {"copies": 2, "keep_original": True}, {"copies": 2, "layout": "merged"}])
def test_the_label_mass_is_that_of_the_pixels(photos: Path, tmp_path: Path, head: dict[str, Any]) -> None:
    done = augment(photos, {**HEAD, **head, "steps": MIXES}, tmp_path / "out")
    trees = {path.parent.parent for path in done.output.rglob("metadata.csv")}
    assert len(trees) == (3 if "keep_original" in head else 1)
    seen = mixed = 0
    for tree in trees:
        for split in ("train", "val"):
            for row in rows_of(tree / split / "metadata.csv"):
                shares = mass(row)
                assert abs(sum(shares) - 1) < 1e-12
                # Each of two steps rounds once, to the nearest of 255 levels.
                assert np.allclose(shares, light(tree / split / row["file_name"]), atol=1 / 255, rtol=0)
                assert row["label"] == row["file_name"].split("/")[0]
                seen += 1
                mixed += max(shares) < 1
                assert max(shares) == 1 or (split == "train" and "copy=0" not in tree.name)
    assert seen == {"": 36, "copies": 3 * 36, "merged": 2 * 30 + 6}["" if not head else head.get("layout", "copies")]
    assert mixed > 10


def test_cutmix_alone_gives_just_the_shares_of_the_pixels(photos: Path, tmp_path: Path) -> None:
    augment(photos, {**HEAD, "steps": [{"op": "cutmix"}]}, tmp_path / "out")
    for row in rows_of(tmp_path / "out/train/metadata.csv"):
        pixels = np.asarray(Image.open(tmp_path / "out/train" / row["file_name"]))
        assert [round(share * pixels.shape[0] * pixels.shape[1]) for share in mass(row)] == [
            int((pixels[..., channel] == 255).sum()) for channel in range(3)
        ]


def test_soft_labels_survive_hugging_face(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    augment(photos, {**HEAD, "steps": MIXES}, tmp_path / "out")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    gc.collect()  # the files that it leaves open, before another test is blamed
    saved = tmp_path / "again.parquet"
    found["train"].remove_columns("image").to_parquet(saved)
    told = [mass(row) for row in rows_of(tmp_path / "out/train/metadata.csv")]
    for rows in (list(found["train"]), pq.read_table(saved).to_pylist()):
        assert sorted(mass(row) for row in rows) == sorted(told)
    for row in found["train"]:
        pixels = np.asarray(row["image"], np.float64)
        assert np.allclose(mass(row), pixels.mean((0, 1)) / 255, atol=1 / 255, rtol=0)


def test_a_pair_names_the_other_class(photos: Path, tmp_path: Path) -> None:
    recipe = {**HEAD, "data": {"soft_labels": "pair"}, "steps": MIXES[1:]}
    augment(photos, recipe, tmp_path / "out")
    for row in rows_of(tmp_path / "out/train/metadata.csv"):
        shares = dict.fromkeys(CLASSES, 0.0)
        shares[row["label"]] += float(row["lambda"])
        shares[row["label_b"]] += 1 - float(row["lambda"])
        pixels = light(tmp_path / "out/train" / row["file_name"])
        assert np.allclose([shares[name] for name in reversed(CLASSES)], pixels, atol=1e-9)


def test_partners_are_a_permutation_of_the_whole_set(photos: Path, tmp_path: Path) -> None:
    done = augment(photos, {**HEAD, "steps": [{"op": "mixup", "alpha": 5}]}, tmp_path / "out")
    drawn = {entry.input: (entry.drawn or {}).get("mixup", {}) for entry in done.manifest.outputs}
    partners = [told["partner"] for path, told in drawn.items() if path.startswith("train/") and path.endswith(".png")]
    assert Counter(partners) == Counter(path for path in drawn if path.startswith("train/") and path.endswith(".png"))
    assert done.manifest.steps[0].pairs is True
    rare = augment(photos, {**HEAD, "steps": [{"op": "mixup", "alpha": 5, "rate": 0.3}]}, tmp_path / "rare")
    for entry in rare.manifest.outputs:
        if entry.drawn:
            assert entry.drawn["mixup"] == drawn[entry.input]


def test_partners_of_the_same_class_keep_labels_hard(photos: Path, tmp_path: Path) -> None:
    done = augment(photos, {**HEAD, "steps": [{"op": "mixup", "within": "class"}]}, tmp_path / "out")
    pairs = [(e.input, e.drawn["mixup"]["partner"]) for e in done.manifest.outputs if e.drawn]
    assert len(pairs) == 30
    assert all(own.split("/")[1] == other.split("/")[1] for own, other in pairs)
    assert len({other for _, other in pairs}) == 30
    assert all(max(mass(row)) == 1 for row in rows_of(tmp_path / "out/train/metadata.csv"))


def test_partners_stand_upright_beside_turned_images(tmp_path: Path) -> None:
    """A sideways photograph, stored with its orientation, is mixed with one that is not: both tops are on top."""
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20] = 200
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/b").mkdir()
    Image.fromarray(upright).save(tmp_path / "in/a/1.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(tmp_path / "in/b/1.png", exif=exif)
    done = augment(tmp_path / "in", {**HEAD, "seed": 1, "steps": [{"op": "mixup"}]}, tmp_path / "out")
    drawn = [(entry.input, entry.drawn["mixup"]["partner"]) for entry in done.manifest.outputs if entry.drawn]
    assert sorted(drawn) == [("a/1.png", "b/1.png"), ("b/1.png", "a/1.png")]
    for entry in done.manifest.outputs:
        if entry.drawn:
            shown = np.asarray(Image.open(tmp_path / "out" / entry.path))
            assert np.array_equal(shown, np.asarray(Image.open(tmp_path / "in" / entry.input)))


@pytest.mark.parametrize("steps", [MIXES, [{"op": "label_flip", "rate": 0.5}, {"op": "near_duplicate", "rate": 0.5}]])
def test_workers_order_and_replay_do_not_matter(photos: Path, tmp_path: Path, steps: list[dict[str, Any]]) -> None:
    recipe = {**HEAD, "copies": 2, "steps": [{"op": "gaussian_noise", "rate": 0.4}, *steps]}
    one = augment(photos, recipe, tmp_path / "one", truth=True)
    two = augment(photos, recipe, tmp_path / "two", truth=True, workers=2)
    assert one.manifest == two.manifest
    _, same, different = replay(one.output, photos, tmp_path / "three")
    assert (same, different) == ([], [])


def test_flips_move_an_exact_share_of_each_class(photos: Path, tmp_path: Path) -> None:
    done = augment(photos, {**HEAD, "steps": [{"op": "label_flip", "rate": 0.3}]}, tmp_path / "out", truth=True)
    moved = [e for e in done.manifest.outputs if e.path != e.input]
    assert Counter(e.input.split("/")[1] for e in moved) == dict.fromkeys(CLASSES, 3)
    transitions = done.manifest.steps[0].transitions
    assert transitions is not None
    assert sum(sum(row.values()) for row in transitions[""].values()) == 9
    told = {line["file"]: line for line in pq.read_table(tmp_path / "out.noisecli-truth.parquet").to_pylist()}
    for entry in moved:
        split, old, name = entry.input.split("/")
        new = entry.path.split("/")[1]
        assert entry.path == f"{split}/{new}/{name.removesuffix('.png')}__from_{old}.png"
        assert (done.output / entry.path).read_bytes() == (photos / entry.input).read_bytes()
        assert (told[entry.input]["before"], told[entry.input]["after"]) == (old, new)
        assert transitions[""][old][new] >= 1
    assert len(told) == 9
    assert done.manifest.steps[0].columns[""]["changed"] == 9


def test_a_class_without_images_is_told(photos: Path, tmp_path: Path) -> None:
    matrix = {"red": {"blue": 1}}
    steps = [{"op": "label_flip", "rate": 1, "kind": "matrix", "matrix": matrix}]
    done = augment(photos, {**HEAD, "copies": 2, "steps": steps}, tmp_path / "out")
    assert "no training image is left in class 'red'" in done.manifest.warnings
    shift = [{"op": "label_flip", "rate": 1, "kind": "pair"}]
    assert augment(photos, {**HEAD, "steps": shift}, tmp_path / "shift").manifest.warnings == []


def test_metadata_follow_moved_and_cloned_images(photos: Path, tmp_path: Path) -> None:
    lines = [f"{path.relative_to(photos / 'train').as_posix()}" for path in sorted(photos.glob("train/*/*.png"))]
    text = "".join(f"{name},{name.split('/')[0]},note {name}\r\n" for name in lines)
    (photos / "train/metadata.csv").write_bytes(("file_name,label,note\r\n" + text).encode())
    steps = [{"op": "label_flip", "rate": 0.3}, {"op": "duplicate", "rate": 0.3}]
    done = augment(photos, {**HEAD, "steps": steps}, tmp_path / "out")
    rows = rows_of(tmp_path / "out/train/metadata.csv")
    files = {p.relative_to(tmp_path / "out/train").as_posix() for p in (tmp_path / "out/train").glob("*/*.png")}
    assert {row["file_name"] for row in rows} == files
    assert len(rows) == len(files) > 30
    assert all(row["label"] == row["file_name"].split("/")[0] for row in rows)
    clean = {entry.path: entry.input for entry in done.manifest.outputs}
    for row in rows:
        assert row["note"] == "note " + clean[f"train/{row['file_name']}"].removeprefix("train/")


def test_metadata_may_say_the_classes(tmp_path: Path) -> None:
    root = tmp_path / "flat"
    root.mkdir()
    for i in range(12):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(root / f"{i}.png")
    names = [json.dumps({"file_name": f"{i}.png", "kind": "ab"[i % 2]}) + "\n" for i in range(12)]
    (root / "metadata.jsonl").write_text("".join(names))
    recipe = {**HEAD, "data": {"label": "kind"}, "steps": [{"op": "label_flip", "rate": 0.5}, *MIXES[:1]]}
    done = augment(root, recipe, tmp_path / "out")
    assert sorted(entry.path for entry in done.manifest.outputs) == sorted(p.name for p in root.iterdir())
    rows = [json.loads(line) for line in (tmp_path / "out/metadata.jsonl").read_text().splitlines()]
    assert sum(row["kind"] != "ab"[i % 2] for i, row in enumerate(rows)) == 6
    assert all(abs(row["kind__p__a"] + row["kind__p__b"] - 1) < 1e-12 for row in rows)
    assert all(row[f"kind__p__{row['kind']}"] > 0 for row in rows)


def test_clones_are_copies_of_what_other_steps_made(photos: Path, tmp_path: Path) -> None:
    steps = [
        {"op": "gaussian_noise", "rate": 0.5},
        {"op": "duplicate", "rate": 0.4, "clones": 2},
        {"op": "near_duplicate", "rate": 0.4},
    ]
    done = augment(photos, {**HEAD, "steps": steps}, tmp_path / "out", truth=True)
    made: dict[str, list[Any]] = {}
    for entry in done.manifest.outputs:
        made.setdefault(entry.input, []).append(entry)
    assert {len(entries) for entries in made.values()} >= {1, 2, 3}
    for source, entries in made.items():
        first = (done.output / source).read_bytes()
        for entry in entries:
            ids = set(entry.drawn or {}) - {"gaussian_noise"}
            assert ((done.output / entry.path).read_bytes() == first) is (ids in (set(), {"duplicate"}))
    counts = {step.id: step.columns[""] for step in done.manifest.steps}
    originals = [entry for entries in made.values() for entry in entries[:1]]
    assert counts["gaussian_noise"]["struck"] == sum("gaussian_noise" in (e.drawn or {}) for e in originals)
    assert counts["gaussian_noise"]["changed"] == counts["gaussian_noise"]["struck"]
    assert counts["near_duplicate"]["eligible"] == 30 + 2 * counts["duplicate"]["struck"]
    lines = pq.read_table(tmp_path / "out.noisecli-truth.parquet").to_pylist()
    cloned = {json.loads(line["drawn"])["output"] for line in lines if "output" in json.loads(line["drawn"])}
    assert cloned == {entry.path for entry in done.manifest.outputs if "__d" in entry.path}


def test_a_fault_of_a_file_strikes_clones_on_their_own(photos: Path, tmp_path: Path) -> None:
    steps = [{"op": "duplicate", "rate": 1}, {"op": "truncate_file", "rate": 0.5}]
    done = augment(photos, {**HEAD, "steps": steps}, tmp_path / "out")
    hit = {
        entry.path: "truncate_file" in (entry.drawn or {}) for entry in done.manifest.outputs if "train" in entry.path
    }
    pairs = Counter((hit[path], hit[path.replace("__d1", "")]) for path in hit if "__d1" in path)
    assert len(pairs) == 4
    assert done.manifest.steps[1].columns[""] == {
        **done.manifest.steps[1].columns[""],
        "eligible": 60,
        "struck": sum(hit.values()),
    }


def test_one_image_more_moves_no_flip_and_no_clone(photos: Path, tmp_path: Path) -> None:
    steps = [{"op": "label_flip", "rate": 0.3, "exact": False}, {"op": "near_duplicate", "rate": 0.3}]
    before = augment(photos, {**HEAD, "steps": steps}, tmp_path / "before").manifest.outputs
    Image.new("RGB", (9, 9)).save(photos / "train/red/00.png")
    after = augment(photos, {**HEAD, "steps": steps}, tmp_path / "after").manifest.outputs
    assert [entry for entry in after if entry.input != "train/red/00.png"] == before


def test_an_image_that_cannot_be_read_keeps_its_hard_label(photos: Path, tmp_path: Path) -> None:
    (photos / "train/red/3.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    with pytest.raises(DataProblem, match=r"train/red/3\.png"):
        augment(photos, {**HEAD, "steps": [{"op": "mixup"}]}, tmp_path / "out")
    done = augment(photos, {**HEAD, "on_error": "skip", "steps": [{"op": "mixup"}]}, tmp_path / "out")
    skipped = {entry["path"] for entry in done.manifest.skipped}
    assert "train/red/3.png" in skipped
    assert len(skipped) == 2  # and the one that it is the partner of
    for row in rows_of(tmp_path / "out/train/metadata.csv"):
        if f"train/{row['file_name']}" in skipped:
            assert row[f"label__p__{row['label']}"] == "1.0"


FLAT = {"op": "mixup"}


@pytest.mark.parametrize(
    ("recipe", "error", "said"),
    [
        ({"steps": [FLAT], "data": {"soft_labels": "weighted"}}, RecipeProblem, "use wide or pair"),
        ({"steps": MIXES, "data": {"soft_labels": "pair"}}, RecipeProblem, "no third class"),
        ({"steps": [{"op": "fog"}], "data": {"soft_labels": "pair"}}, RecipeProblem, "mixup or cutmix"),
        ({"steps": [{"op": "duplicate"}, {"op": "fog"}]}, RecipeProblem, "must stand before 'duplicate'"),
        ({"steps": [{"op": "label_flip", "scale": "none"}]}, RecipeProblem, "takes no 'scale'"),
        ({"steps": [FLAT], "data": {"label": "kind"}}, DataProblem, "there are none: metadata.csv"),
        (
            {"steps": [{"op": "label_flip", "kind": "matrix", "matrix": {"rde": {"blue": 1}}}]},
            RecipeProblem,
            "has no category 'rde'; it has blue, green, red",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    photos: Path, tmp_path: Path, recipe: dict[str, Any], error: type[NoiseError], said: str
) -> None:
    with pytest.raises(error, match=said):
        augment(photos, {**HEAD, **recipe}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_without_classes_are_not_mixed(tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "train").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(root / "train/a.png")
    with pytest.raises(DataProblem, match="folders of their classes"):
        augment(root, {**HEAD, "steps": [FLAT]}, tmp_path / "out")
    with pytest.raises(RecipeProblem, match="this is one image"):
        augment(root / "train/a.png", {**HEAD, "purpose": "evaluate", "steps": [FLAT]}, tmp_path / "out.png")


def test_names_that_would_meet_are_refused(photos: Path, tmp_path: Path) -> None:
    data = (photos / "train/red/1.png").read_bytes()
    (photos / "train/red/1__d1.png").write_bytes(data)
    with pytest.raises(UsageProblem, match=r"train/red/1__d1.png: two files would get this name"):
        augment(photos, {**HEAD, "steps": [{"op": "duplicate", "rate": 1}]}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_metadata_beside_images_that_move_are_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "train/red/metadata.csv").write_text("file_name,n\n1.png,2\n")
    with pytest.raises(DataProblem, match=r"train/red/metadata.csv: .*put it into the folder above"):
        augment(photos, {**HEAD, "steps": [{"op": "label_flip"}]}, tmp_path / "out")


def test_labels_that_contradict_the_folders_are_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "train/metadata.csv").write_text("file_name,label\nred/1.png,red\nred/4.png,blue\n")
    with pytest.raises(DataProblem, match=r"train/metadata.csv: train/red/4.png is 'blue' there"):
        augment(photos, {**HEAD, "steps": [{"op": "label_flip"}]}, tmp_path / "out")


def test_a_preview_shows_partners_clones_and_moves(
    command: Callable[..., Any], recipe: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    steps = ("op: mixup, alpha: 2", "op: label_flip, rate: 0.9", "op: near_duplicate, rate: 0.9")
    made = recipe(*steps)
    shown = command("preview", photos, "-r", made, "-o", tmp_path / "sheet.png", "--json").json
    assert all(
        {on["step"] for on in image["steps"]} == {"mixup", "label_flip", "near_duplicate"} for image in shown["images"]
    )
    assert Image.open(BytesIO((tmp_path / "sheet.png").read_bytes())).size[0] > 400
