"""Mixed pictures, clones and wrong labels: what defines the ops, op by op, and what a run makes of them."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image

from noisecli.columns import Column, Kind
from noisecli.compare.images import psnr
from noisecli.corruption import ImageCorruption, MixingCorruption, Pixels
from noisecli.corruptions.image.copies import Duplicate, NearDuplicate
from noisecli.corruptions.image.label import LabelFlip
from noisecli.corruptions.image.mixing import WHOLE, Cutmix, Mixup
from noisecli.pixels.frame import framed
from noisecli.streams import CounterDraws, Stream, scramble

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
MATRIX = {"cat": {"dog": 3, "fox": 1}}


def photograph(name: str) -> Pixels:
    return np.asarray(Image.open(PHOTOGRAPHS / f"{name}.png").convert("RGB"))


def draws(seed: int) -> np.random.Generator:
    return Stream(seed, 1, "step", "a.png").generator("value", "", 0)


def mixed(op: MixingCorruption, pixels: Pixels, other: Pixels, seed: int) -> tuple[Pixels, dict[str, Any]]:
    return op.strike_with(pixels, other, draws(seed))


# mixup


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_is_mixed_in_just_the_share_that_the_label_gets(dtype: type[np.uint8 | np.uint16]) -> None:
    own, other = photograph("chelsea").astype(dtype), photograph("coffee").astype(dtype)
    if dtype is np.uint16:
        own, other = own * np.uint16(257), other * np.uint16(257) ^ np.uint16(0x5A)
    for seed in range(5):
        pixels, got = mixed(Mixup(alpha=1), own, other, seed)
        parts = int(got["share"] * WHOLE)
        assert parts / WHOLE == got["share"], "a multiple of the smallest part"
        exact = parts * own.astype(object) + (WHOLE - parts) * other.astype(object)
        assert np.array_equal(pixels, (exact + WHOLE // 2) // WHOLE)


def test_white_stays_white_and_a_share_of_1_or_0_is_one_of_the_two() -> None:
    white = np.full((3, 5, 1), 65_535, np.uint16)
    black = np.zeros_like(white)
    shares = set()
    for seed in range(20):
        assert np.array_equal(mixed(Mixup(), white, white, seed)[0], white)
        pixels, got = mixed(Mixup(alpha=1e-9), white, black, seed)
        assert np.array_equal(pixels, white if got["share"] else black)
        shares.add(got["share"])
    assert shares == {0.0, 1.0}


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1, 4])
def test_shares_have_the_moments_of_the_beta_distribution(alpha: float) -> None:
    """Within 4 standard errors of the mean and of the mean square deviation from it."""
    count, one, op = 4000, np.zeros((1, 1, 1), np.uint8), Mixup(alpha=alpha)
    shares = np.array([mixed(op, one, one, seed)[1]["share"] for seed in range(count)])
    variance = 1 / (4 * (2 * alpha + 1))
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))  # central moment of Beta(alpha, alpha)
    assert abs(shares.mean() - 0.5) < 4 * np.sqrt(variance / count)
    assert abs(((shares - 0.5) ** 2).mean() - variance) < 4 * np.sqrt((fourth - variance**2) / count)


def test_a_partner_is_cut_in_its_middle_and_brought_to_depth_and_channels() -> None:
    columns = np.repeat(np.arange(30, dtype=np.uint8), 3).reshape(1, 30, 3).repeat(10, 0)
    like = np.zeros((10, 10, 1), np.uint8)
    assert np.array_equal(framed(columns, like)[..., 0], np.arange(10, 20, dtype=np.uint8).reshape(1, 10).repeat(10, 0))
    assert np.array_equal(framed(columns[:, 10:20], like.astype(np.uint16)), framed(columns, like) * np.uint16(257))
    levels = np.array([0, 128, 129, 65_407, 65_535], np.uint16).reshape(1, 5, 1)
    assert framed(levels, np.zeros((1, 5, 3), np.uint8))[0, :, 2].tolist() == [0, 0, 1, 255, 255]


# cutmix


def difference(pixels: Pixels) -> tuple[list[int], int]:
    """The box that holds all that is not black, and how many pixels that is."""
    rows, columns = pixels.any(axis=(1, 2)).nonzero()[0], pixels.any(axis=(0, 2)).nonzero()[0]
    if not len(rows):
        return [], 0
    box = [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]
    return box, int(pixels.any(axis=2).sum())


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (31, 57), (64, 64)])
def test_the_share_is_that_of_the_pixels_that_are_left(size: tuple[int, int]) -> None:
    black, white = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    shares, corners = set(), 0
    for seed in range(200):
        pixels, got = mixed(Cutmix(), black, white, seed)
        box, area = difference(pixels)
        top, left, bottom, right = got["box"]
        assert area == (bottom - top) * (right - left), "one box and nothing else"
        assert not area or box == got["box"]
        assert got["share"] == (size[0] * size[1] - area) / (size[0] * size[1])
        shares.add(got["share"])
        corners += (top == 0 or bottom == size[0]) and (left == 0 or right == size[1]) and 0 < area < size[0] * size[1]
    assert corners or size == (1, 1), "no box was cut off at a corner"
    assert shares == {0.0, 1.0} if size == (1, 1) else len(shares) > 5


def test_the_box_holds_the_same_place_of_the_other_picture() -> None:
    own, other = photograph("astronaut"), photograph("chelsea")
    pixels, got = mixed(Cutmix(), own, other, 3)
    top, left, bottom, right = got["box"]
    inside = np.zeros(own.shape[:2], bool)
    inside[top:bottom, left:right] = True
    assert 0 < inside.sum() < inside.size
    assert np.array_equal(pixels, np.where(inside[..., None], other, own))


def test_a_box_has_the_proportions_of_the_picture_and_the_area_of_the_share() -> None:
    """A whole box, that is, one that no border cuts off: of the area to half a pixel a side."""
    op, black, white = Cutmix(), np.zeros((300, 500, 1), np.uint8), np.full((300, 500, 1), 255, np.uint8)
    whole = 0
    for seed in range(100):
        got = mixed(op, black, white, seed)[1]
        top, left, bottom, right = got["box"]
        if top > 0 and left > 0 and bottom < 300 and right < 500:
            side = np.sqrt(1 - op.share(got))
            assert abs(bottom - top - 300 * side) <= 0.5
            assert abs(right - left - 500 * side) <= 0.5
            whole += 1
    assert whole > 10


def test_at_alpha_1_areas_are_uniform() -> None:
    """By the largest distance from the uniform distribution (Kolmogorov and Smirnov, at 0.1 %)."""
    op, one = Cutmix(), np.zeros((1, 1, 1), np.uint8)
    shares = np.sort([op.share(op.draw(one, draws(seed))) for seed in range(2000)])
    assert np.abs(shares - (np.arange(2000) + 0.5) / 2000).max() < 1.95 / np.sqrt(2000)


@pytest.mark.parametrize("op", [Mixup, Cutmix])
def test_what_is_drawn_does_not_depend_on_alpha_and_the_struck_picture_comes_first(op: type[MixingCorruption]) -> None:
    own, other = photograph("astronaut"), photograph("chelsea")
    drawn = [op.model_validate({"alpha": alpha}).draw(own, draws(4)) for alpha in (0.01, 1, 50)]
    assert drawn[0] == drawn[1] == drawn[2]
    for seed in range(10):
        pixels, got = mixed(op.model_validate({"alpha": 1}), own, other, seed)
        json.dumps(got)
        to_own, to_other = (np.abs(pixels.astype(int) - picture).mean() for picture in (own, other))
        assert abs(got["share"] - 0.5) < 0.1 or (to_own < to_other) == (got["share"] > 0.5)


@pytest.mark.parametrize("op", [Mixup, Cutmix])
def test_within_class_keeps_labels_hard(op: type[MixingCorruption]) -> None:
    assert op.model_validate({"within": "class"}).pairs_within_class()
    assert not op().pairs_within_class()


# Clones


MEAN_PSNR = {"astronaut": (23, 18, 14, 12, 9.5), "chelsea": (29, 25, 21, 18, 15.5), "rocket": (29.5, 25.5, 23, 20, 18)}
"""Least that the mean over seeds may be at severities 1 to 5, in dB; few edges forgive a crop, the astronaut's many do
not."""


@pytest.mark.parametrize("name", MEAN_PSNR)
def test_near_duplicates_are_as_near_as_their_severity_says(name: str) -> None:
    pixels = photograph(name)
    means = []
    for least, preset in zip(MEAN_PSNR[name], NearDuplicate.severities, strict=True):
        clones = [NearDuplicate.model_validate(preset).strike(pixels, draws(seed))[0] for seed in range(8)]
        assert len({clone.tobytes() for clone in [pixels, *clones]}) == 9, "each is another, and none is its source"
        means.append(np.mean([psnr(pixels, clone) for clone in clones]))
        assert means[-1] > least
    assert means == sorted(means, reverse=True)


def test_each_part_of_a_near_duplicate_does_what_it_says() -> None:
    pixels = photograph("chelsea")
    nothing = NearDuplicate(crop=0, brightness=0, quality=100)
    assert psnr(pixels, nothing.strike(pixels, draws(1))[0]) > 38  # what colour at half its resolution leaves
    cut, drawn = NearDuplicate(crop=0.25, brightness=0, quality=100).strike(pixels, draws(1))
    rows = [round(0.25 * share * 224) for share in drawn["cut"][:2]]
    columns = [round(0.25 * share * 224) for share in drawn["cut"][2:]]
    kept = Image.fromarray(pixels[rows[0] : 224 - rows[1], columns[0] : 224 - columns[1]])
    assert psnr(np.asarray(kept.resize((224, 224), Image.Resampling.BILINEAR)), cut) > 36
    for seed in range(4):
        lit, drawn = NearDuplicate(crop=0, brightness=0.3, quality=100).strike(pixels, draws(seed))
        assert abs(lit.mean() / pixels.mean() - (1 + 0.3 * drawn["light"])) < 0.02


def test_pictures_of_16_bits_are_cloned_as_those_of_8_are() -> None:
    grey = photograph("chelsea")[..., :1]
    narrow, wide = (NearDuplicate().strike(p, draws(1))[0] for p in (grey, grey * np.uint16(257)))
    assert np.array_equal(wide, narrow * np.uint16(257))


def test_a_duplicate_is_exact() -> None:
    assert Duplicate.is_exact
    assert not NearDuplicate.is_exact
    assert issubclass(Duplicate, ImageCorruption)


# Labels


CLASSES = Column("class", Kind.TEXT, pa.string(), categories=("cat", "dog", "emu", "fox"))
Codes = NDArray[np.intp]


def flipped(op: LabelFlip, codes: Codes) -> Codes:
    return op.relabel(codes, CLASSES, CounterDraws(scramble(7, np.arange(len(codes)))))


def test_every_other_class_is_as_likely_as_any() -> None:
    codes = np.arange(30_000) % 4
    new = flipped(LabelFlip(), codes)
    assert ((new >= 0) & (new < 4) & (new != codes)).all()
    pairs = np.bincount(codes * 4 + new, minlength=16)[np.flatnonzero(~np.eye(4, dtype=bool))]
    assert np.abs(pairs - 2500).max() < 4 * np.sqrt(7500 * 2 / 9)


def test_kinds_of_flips() -> None:
    codes = np.arange(30_000) % 4
    assert np.array_equal(flipped(LabelFlip(kind="pair"), codes), (codes + 1) % 4)
    stay = (flipped(LabelFlip(include_self=True), codes) == codes).mean()
    assert abs(stay - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 30_000)
    right = (flipped(LabelFlip(kind="annotator", accuracy=0.9), codes) == codes).mean()
    assert abs(right - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 30_000)
    by_matrix = flipped(LabelFlip(kind="matrix", matrix=MATRIX), codes)
    assert np.array_equal(by_matrix[codes > 0], codes[codes > 0]), "a class without a row stays"
    cats = np.bincount(by_matrix[codes == 0], minlength=4)
    assert cats[[0, 2]].tolist() == [0, 0]
    assert abs(cats[1] - 7500 * 0.75) < 4 * np.sqrt(7500 * 0.75 * 0.25)


def test_a_label_depends_on_its_own_draws_alone() -> None:
    codes = np.arange(100) % 4
    keys = scramble(7, np.arange(100))
    for op in (LabelFlip(), LabelFlip(kind="annotator"), LabelFlip(kind="matrix", matrix=MATRIX)):
        together = op.relabel(codes, CLASSES, CounterDraws(keys))
        alone = [op.relabel(codes[i : i + 1], CLASSES, CounterDraws(keys[i : i + 1]))[0] for i in range(100)]
        assert together.tolist() == alone


def test_labels_that_cannot_be_flipped() -> None:
    one = Column("class", Kind.TEXT, pa.string(), categories=("cat",))
    assert LabelFlip().objection(one) == "has one class only; it has cat"
    assert LabelFlip(kind="matrix", matrix=MATRIX).objection(CLASSES) is None
    objection = LabelFlip(kind="matrix", matrix={"cat": {"Dog": 1}}).objection(CLASSES)
    assert objection == "has no category 'Dog'; it has cat, dog, emu, fox"


# Through the command line


COLOURS = ("blue", "green", "red")
Steps = tuple[str, ...]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of three classes, each of its own colour and all of other sizes; one class is held out in part."""
    for i in range(36):
        colour = COLOURS[i % 3]
        path = tmp_path / "in" / ("val" if i % 12 == 11 else "train") / colour / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9 + i, 30), {"green": "lime"}.get(colour, colour)).save(path)
    return tmp_path / "in"


def run(command: Callable[..., Any], recipe: Callable[..., Path], folder: Path, *steps: str) -> Path:
    output = folder.with_name("out")
    assert command("augment", folder, "-r", recipe(*steps), "-o", output, "--workers", 1).code == 0
    assert command("verify", output, "--input", folder).code == 0
    return output


@pytest.mark.parametrize("steps", [("op: mixup, alpha: 1",), ("op: cutmix",), ("op: cutmix", "op: mixup, alpha: 1")])
def test_labels_are_the_shares_of_the_colours(command: Any, recipe: Any, folder: Path, steps: Steps) -> None:
    """To half a level a step, which is what pixels are rounded to; to the last bits where nothing is rounded."""
    output = run(command, recipe, folder, *steps)
    soft = 0
    for split in ("train", "val"):
        with (output / split / "metadata.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(list((folder / split).rglob("*.png")))
        for row in rows:
            shares = np.array([float(row[f"label__p__{colour}"]) for colour in COLOURS])
            pixels = np.asarray(Image.open(output / split / row["file_name"])) / 255
            found = pixels.mean(axis=(0, 1))[::-1]
            assert abs(shares.sum() - 1) < 1e-12
            assert np.abs(shares - found).max() <= (1e-12 if steps == ("op: cutmix",) else 0.5 / 255 + 1e-12)
            assert row["label"] == row["file_name"].partition("/")[0]
            assert split == "train" or shares.max() == 1
            soft += shares.max() < 1
    assert soft > 15


def test_a_preview_tells_of_new_classes_and_clones(command: Any, recipe: Any, folder: Path, tmp_path: Path) -> None:
    steps = ("op: label_flip, rate: 1, kind: pair", "op: duplicate, rate: 1, clones: 2")
    found = command("preview", folder, "-r", recipe(*steps), "-o", tmp_path / "sheet.png", "--json").json
    assert not found["notes"]
    for image in found["images"]:
        flip, clone = image["steps"]
        assert flip["drawn"]["before"] == image["path"].split("/")[-2] != flip["drawn"]["after"]
        assert (flip["struck"], clone["struck"], clone["drawn"]) == (True, True, {"clones": 2})
    done = command("augment", folder, "-r", recipe(steps[0]), "-o", tmp_path / "out")
    assert "(36 files, 33 of them changed)" in done.out


def test_flipped_pictures_move_as_they_are_as_many_of_each_class(command: Any, recipe: Any, folder: Path) -> None:
    output = run(command, recipe, folder, "op: label_flip, rate: 0.5")
    before, after = (
        {path.read_bytes(): path.parent.relative_to(root) for path in root.rglob("*.png")} for root in (folder, output)
    )
    assert before.keys() == after.keys()
    moved = Counter(before[data].as_posix() for data in before if before[data] != after[data])
    assert sorted(moved) == ["train/blue", "train/green", "train/red"]
    assert set(moved.values()) <= {5, 6}
    assert sum(moved.values()) == 17
