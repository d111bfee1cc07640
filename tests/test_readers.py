"""Readers as judges: ImageFolder and Hugging Face find the right classes, viewers what a file says besides pixels."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from noisecli.corruption import CloningCorruption, ImageFileCorruption, registered
from noisecli.manifest import verify

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Labelled = list[tuple[str, bytes]]
Reader = Callable[[Path], tuple[list[str], Labelled]]

CLASSES = ["cats", "dogs", "Łosie"]
FOLDERS = {f"{step}/{severity}": 1 for step in ("fog", "noise") for severity in (1, 3)}
SWEEP = "{steps: alone, severity: [1, 3]}"
TREES: dict[str, tuple[dict[str, object], dict[str, int]]] = {
    "copies": ({"copies": 2, "keep_original": "true"}, {"copy=0": 1, "copy=1": 1, "copy=2": 1}),
    "merged": ({"copies": 2, "keep_original": "true", "layout": "merged"}, {".": 3}),
    "exact": ({"encode": "exact"}, {".": 1}),
    "merged exact": ({"copies": 2, "layout": "merged", "encode": "exact"}, {".": 2}),
    "sweep": ({"sweep": SWEEP}, {f"step={name.replace('/', '/severity=')}/copy=1": 1 for name in FOLDERS}),
    "imagenet-c": ({"layout": "imagenet-c", "keep_original": "true", "sweep": SWEEP}, {"clean/0": 1, **FOLDERS}),
}
"""What a recipe says of the layout, the folders that a reader is pointed at, and the images of each clean one there."""


def read_torchvision(root: Path, cache: Path) -> tuple[list[str], Labelled]:
    folders = pytest.importorskip("torchvision.datasets", reason="torchvision takes gigabytes: no dependency")
    found = folders.ImageFolder(root)
    return found.classes, [(found.classes[label], picture.tobytes()) for picture, label in found]


def read_huggingface(root: Path, cache: Path) -> tuple[list[str], Labelled]:
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(cache), split="train")
    names = found.features["label"].names
    return names, [(names[row["label"]], row["image"].convert("RGB").tobytes()) for row in found]


@pytest.fixture(params=[read_torchvision, read_huggingface], ids=["torchvision", "huggingface"])
def read(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Give the classes of a folder in their order, and the class and pixels of each image."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return partial(request.param, cache=tmp_path / "cache")


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Three classes of a few images, of which no two are alike."""
    rng = np.random.Generator(np.random.PCG64(2))
    for i, (name, number) in enumerate(product(CLASSES, range(3))):
        path = tmp_path / "animals" / name / f"{number}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(60, 200, (16, 20, 3), np.uint8)).save(path)
    (tmp_path / "animals" / "README.md").write_text("animals\n")
    return tmp_path / "animals"


def listed(root: Path) -> Labelled:
    """Class and pixels of each image, opened one by one."""
    return sorted((path.parent.name, pixels(path)) for path in root.glob("*/*"))


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


@pytest.mark.parametrize("layout", TREES)
def test_readers_of_class_folders_find_the_clean_classes(
    layout: str, read: Reader, animals: Path, tmp_path: Path, command: Command, recipe: Recipe
) -> None:
    head, roots = TREES[layout]
    steps = ("op: gaussian_noise, id: noise, severity: 2", "op: fog, severity: 2")
    written = recipe(*steps, **head, purpose="evaluate")
    done = command("augment", animals, "-r", written, "-o", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    clean, known = read(animals)
    assert sorted(known) == listed(animals)
    for root, images in roots.items():
        classes, found = read(tmp_path / "out" / root)
        assert classes == clean
        assert Counter(name for name, _ in found) == dict.fromkeys(CLASSES, 3 * images)
        assert sorted(found) == listed(tmp_path / "out" / root)
        unchanged = set(found) & set(known)
        assert len(unchanged) == (len(known) if layout == "merged" or root in ("copy=0", "clean/0") else 0), root


# --------------------------------------------------------------------------------------------- what is no pixel

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, MAKER = 0x0112, 0x010F
KINDS = {name: op for (kind, name), op in registered().items() if kind == "images"}
LATER = (ImageFileCorruption, CloningCorruption)  # such steps come after others
OPS = sorted(KINDS, key=lambda name: (*(issubclass(KINDS[name], kind) for kind in LATER), name))


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Images whose files say all that they can."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "Hasselblad"
    about: dict[str, Any] = {"exif": exif, "icc_profile": PROFILE, "dpi": (300, 300)}
    rows, columns = np.mgrid[0:24, 0:36]
    colours = np.dstack([rows * 8, columns * 6, (rows + columns) * 4]).astype(np.uint8)
    grey, coloured = Image.fromarray(colours[..., 0]), Image.fromarray(colours)
    for name in ("grey", "colour"):
        (tmp_path / "told" / name).mkdir(parents=True)
    coloured.save(tmp_path / "told/colour/photo.jpg", **about)
    grey.save(tmp_path / "told/grey/photo.jpg", **about)
    coloured.save(tmp_path / "told/colour/image.png", **about, transparency=(0, 0, 0))
    grey.save(tmp_path / "told/grey/image.png", **about, transparency=8)
    coloured.quantize(16).save(tmp_path / "told/colour/palette.png", **about, transparency=bytes(range(0, 160, 10)))
    return tmp_path / "told"


def says(path: Path) -> dict[str, Any]:
    """What a viewer is told before it decodes any pixel."""
    with Image.open(path) as picture:
        about = {key: value for key, value in picture.info.items() if key in ("icc_profile", "dpi", "transparency")}
        return {**about, **picture.getexif(), "size": picture.size}


def alpha(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.convert("RGBA").getchannel("A").tobytes()


def test_whatever_strikes_an_image_its_file_says_the_same(
    told: Path, tmp_path: Path, command: Command, recipe: Recipe
) -> None:
    written = recipe(*(f"op: {name}, rate: 1" for name in OPS), sweep="{steps: alone}")
    done = command("augment", told, "-r", written, "-o", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    images = [entry for entry in verify(tmp_path / "out")[0].outputs if not entry.path.endswith(".csv")]
    assert len(images) >= len(OPS) * 5
    for entry in images:
        source, made = told / entry.input, tmp_path / "out" / entry.path
        op = entry.path.split("/")[0].removeprefix("step=")
        before, after = says(source), says(made)
        assert (before.pop(ORIENTATION), before[MAKER], before["icc_profile"]) == (6, "Hasselblad", PROFILE)
        assert (after.pop(ORIENTATION) == 6) == (op != "wrong_orientation"), made
        if entry.content and "palette" in entry.input:
            del before["transparency"]  # it has become a channel
            assert alpha(made) == alpha(source), made
        assert after == before, made


def test_what_becomes_a_png_says_the_same(told: Path, tmp_path: Path, command: Command, recipe: Recipe) -> None:
    (told / "colour/image.png").rename(told / "grey/colour.png")
    (told / "grey/image.png").rename(told / "colour/grey.png")
    done = command("augment", told, "-r", recipe("op: pixel_dropout", encode="exact"), "-o", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    for source in told.glob("*/*"):
        made = (tmp_path / "out" / source.relative_to(told)).with_suffix(".png")
        before, after = says(source), says(made)
        assert after.pop("dpi") == pytest.approx(before.pop("dpi"), abs=0.01)
        if source.name == "palette.png":
            del before["transparency"]
            assert alpha(made) == alpha(source)
        assert after == before, made
