"""Occlusion: how much is covered, where, with what, and that more covers what less did."""

from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noisecli
from noisecli.corruption import registered

Mask = NDArray[np.bool_]

STRONGER = {
    "cutout": [{"size": size} for size in (0, 0.1, 0.15, 0.5, 0.9)],
    "random_erasing": [{"area": area} for area in (0, 0.01, 0.1, 0.11, 0.5, 0.9)],
    "grid_mask": [{"size": size} for size in (0, 0.1, 0.15, 0.5, 0.9)],
    "pixel_dropout": [{"amount": amount} for amount in (0, 0.01, 0.1, 0.11, 0.9)],
    "blue_noise_sample": [{"amount": amount} for amount in (0, 0.01, 0.1, 0.11, 0.9)],
    "checkerboard_cutout": [{"amount": amount} for amount in (0, 0.01, 0.1, 0.3, 0.31, 1)],
}


def corrupt(pixels: NDArray[Any], op: str, seed: int = 1, **step: Any) -> NDArray[Any]:
    steps = [{"op": op, **step}]
    recipe = {"noisecli": 1, "seed": seed, "target": "images", "purpose": "evaluate", "steps": steps}
    return np.asarray(noisecli.corrupt(pixels, recipe))


def covered(op: str, height: int = 128, width: int = 192, seed: int = 1, **step: Any) -> Mask:
    """Which pixels of a white picture are covered, all channels alike."""
    off = corrupt(np.full((height, width, 3), 255, np.uint8), op, seed, **step) != 255
    assert (off == off[..., :1]).all()
    found: Mask = off[..., 0]
    return found


@pytest.mark.filterwarnings("ignore::noisecli.NoiseWarning")
@pytest.mark.parametrize(("op", "steps"), STRONGER.items(), ids=STRONGER)
@pytest.mark.parametrize("seed", range(3))
def test_stronger_covers_all_that_weaker_covers(op: str, steps: list[dict[str, float]], seed: int) -> None:
    masks = [covered(op, 31, 57, seed, **step) for step in steps]
    assert not masks[0].any()
    for less, more in pairwise(masks):
        assert (more | ~less).all()
    assert masks[-1].sum() > masks[2].sum() > 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("area", [0.02, 0.3, 0.9])
def test_erasing_covers_one_rectangle_of_its_area_and_shape(area: float, seed: int) -> None:
    mask = covered("random_erasing", 120, 200, seed, area=area, aspect=3)
    rows, columns = mask.any(axis=1), mask.any(axis=0)
    assert np.array_equal(mask, rows[:, None] & columns)
    tall, wide = int(rows.sum()), int(columns.sum())
    assert np.ptp(np.flatnonzero(rows)) + 1 == tall
    assert np.ptp(np.flatnonzero(columns)) + 1 == wide
    assert abs(tall * wide - area * mask.size) <= (tall + wide) / 2 + 0.25
    assert tall == 120 or wide == 200 or 1 / 3.2 < tall / wide < 3.2


def test_erasing_fills_with_black_with_the_mean_colour_or_at_random() -> None:
    clean = np.full((101, 100, 3), (10, 60, 110), np.uint8)
    clean[::2, :, 1] = 80
    for dtype, one in ((np.uint8, 1), (np.uint16, 257)):
        pixels = clean.astype(dtype) * dtype(one)
        fills = {
            name: corrupt(pixels, "random_erasing", area=0.5, fill=name) for name in ("constant", "mean", "random")
        }
        hole = (fills["constant"] == 0).all(axis=2)
        assert abs(hole.mean() - 0.5) < 0.01
        # 51 of 101 rows have 80: the mean is 70.099.
        assert (fills["mean"][hole] == [10 * one, round(one * (60 + 20 * 51 / 101)), 110 * one]).all()
        assert (fills["mean"][~hole] == pixels[~hole]).all()
        assert np.array_equal(fills["random"][~hole], pixels[~hole])
        random = fills["random"][hole].astype(float) / one
        assert abs(random.mean() - 127.5) < 4 * 73.9 / random.size**0.5
        assert abs(np.corrcoef(random[:, 0], random[:, 1])[0, 1]) < 0.06


def test_more_random_erasing_shows_the_same_values() -> None:
    clean = np.zeros((60, 60, 3), np.uint8)
    less, more = (corrupt(clean, "random_erasing", area=area, fill="random") for area in (0.2, 0.5))
    assert (more[less != 0] == less[less != 0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_grid_is_regular_and_covers_the_square_of_its_size(seed: int) -> None:
    mask = covered("grid_mask", seed=seed, size=0.375, period=0.25)
    assert mask.mean() == 0.375**2
    for axis in (0, 1):
        assert np.array_equal(np.roll(mask, 32, axis), mask)
        assert not np.array_equal(np.roll(mask, 16, axis), mask)
    assert np.array_equal(mask, mask.any(axis=1)[:, None] & mask.any(axis=0))


def test_cutout_covers_squares() -> None:
    masks = [covered("cutout", seed=seed, size=0.25) for seed in range(20)]
    assert max(mask.sum() for mask in masks) == 32**2
    assert min(mask.sum() for mask in masks) < 32**2


def test_squares_lie_around_the_centres_that_the_truth_tells(tmp_path: Path) -> None:
    Image.fromarray(np.full((128, 192), 255, np.uint8)).save(tmp_path / "a.png")
    steps = [{"op": "cutout", "holes": 3, "size": 0.2}]
    done = noisecli.augment(
        tmp_path / "a.png", {"noisecli": 1, "seed": 4, "purpose": "evaluate", "steps": steps}, tmp_path / "b.png"
    )
    expected = np.full((128, 192), 255, np.uint8)
    for row, column in done.manifest.outputs[0].drawn["cutout"]["centres"]:
        expected[max(row - 13, 0) : row + 13, max(column - 13, 0) : column + 13] = 0  # 0.2 * 128 is 26
    with Image.open(done.output) as after:
        assert np.array_equal(np.asarray(after), expected)


def test_the_checkerboard_lies_as_the_truth_tells(tmp_path: Path) -> None:
    Image.fromarray(np.full((150, 190), 255, np.uint8)).save(tmp_path / "a.png")
    recipe = {"noisecli": 1, "seed": 1, "purpose": "evaluate", "steps": [{"op": "checkerboard_cutout", "amount": 1}]}
    done = noisecli.augment(tmp_path / "a.png", recipe, tmp_path / "b.png")
    drawn = done.manifest.outputs[0].drawn["checkerboard_cutout"]
    rows, columns = np.mgrid[:150, :190] / drawn["square_px"]
    turn = np.radians(drawn["angle"])
    down = rows * np.cos(turn) + columns * np.sin(turn) + drawn["start"][0]
    right = columns * np.cos(turn) - rows * np.sin(turn) + drawn["start"][1]
    with Image.open(done.output) as after:
        assert np.array_equal(np.asarray(after) == 128, (np.floor(down) + np.floor(right)) % 2 == 1)
    assert covered("checkerboard_cutout", amount=1e-9).any(), "one square at least"


def test_rectangles_are_as_often_tall_as_wide_and_grids_begin_anywhere() -> None:
    masks = [covered("random_erasing", 128, 128, seed, area=0.1) for seed in range(60)]
    tall = sum(mask.any(axis=1).sum() > mask.any(axis=0).sum() for mask in masks)
    assert abs(tall - 30) < 12
    grids = [covered("grid_mask", seed=seed) for seed in range(20)]
    assert len({grid.tobytes() for grid in grids}) > 15


@pytest.mark.parametrize("op", ["pixel_dropout", "blue_noise_sample"])
@pytest.mark.parametrize("amount", [0.0119, 0.2, 0.9])
def test_the_share_of_lost_pixels_is_that_asked_for(op: str, amount: float) -> None:
    mask = covered(op, 300, 300, amount=amount)
    assert abs(mask.mean() - amount) < 4 * (amount * (1 - amount) / mask.size) ** 0.5


def test_a_blue_sample_seldom_loses_neighbours() -> None:
    """Single losses fall together by chance: 0.04 of pairs. Blue noise is a quarter of its variance off from pixel to
    pixel: corr(x) = -1/4 for the four nearest, where bivariate normals below -0.84 have 0.0145."""
    alone, blue = (covered(op, 400, 400, amount=0.2) for op in ("pixel_dropout", "blue_noise_sample"))
    pairs = [float((mask[1:] & mask[:-1]).mean()) for mask in (alone, blue)]
    assert abs(pairs[0] - 0.04) < 0.002
    assert pairs[1] < 0.025


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_checkerboard_is_half_the_picture_in_turned_squares(seed: int) -> None:
    clean = np.zeros((256, 256, 1), np.uint16)
    found = corrupt(clean, "checkerboard_cutout", seed, amount=1.0)
    assert set(np.unique(found)) == {0, 128 * 257}
    mask = found[..., 0] > 0
    assert abs(mask.mean() - 0.5) < 0.06
    # A board of squares a wide has its strongest wave along their diagonals: 0.7071 / a, here with a of 0.1 .. 0.25.
    fade = np.hanning(256)
    spectrum = np.abs(np.fft.fft2((mask - mask.mean()) * fade[:, None] * fade))
    cycles = np.fft.fftfreq(256) * 256
    strongest = np.hypot(cycles[:, None], cycles).ravel()[spectrum.argmax()]
    assert 0.7071 / 0.25 - 1 < strongest < 0.7071 / 0.1 + 1


def test_the_share_of_dark_squares_is_that_asked_for() -> None:
    half = np.mean([covered("checkerboard_cutout", 128, 128, seed, amount=0.5).mean() for seed in range(40)])
    assert abs(half - 0.25) < 0.015


def test_a_blue_sample_loses_what_the_published_thresholds_do() -> None:
    for severity, level in enumerate((0.8, 1.6, 2.4, 4, 5.6), 1):
        amount = registered()["images", "blue_noise_sample"].severities[severity - 1]["amount"]
        assert amount == pytest.approx(NormalDist().cdf(0.3 * level - 2.5), abs=6e-5)
