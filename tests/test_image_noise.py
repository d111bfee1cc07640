"""Noise on pixels: distributions against theory, strength by PSNR, what belongs to the sensor and what to a picture."""

import warnings
from collections.abc import Callable
from itertools import pairwise
from math import log, pi, sqrt, tan
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noisecli
from noisecli.compare.images import psnr
from noisecli.corruption import AdditiveCorruption, registered
from noisecli.errors import NoiseWarning, RecipeProblem

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
ADDITIVE = {name: op for (_, name), op in registered().items() if issubclass(op, AdditiveCorruption)}
additive = pytest.mark.parametrize("op", ADDITIVE)

GREY = np.full((512, 512), 32768, np.uint16)
"""In 16 bits, so that neither rounding nor, at a strength of 0.01, clipping shows before the far tails."""


def recipe(op: str, **step: Any) -> dict[str, Any]:
    head = {"noisecli": 1, "seed": 1, "target": "images", "purpose": "evaluate"}
    return {**head, "steps": [{"op": op, "scale": "none", **step}]}


def noisy(pixels: NDArray[Any], op: str, **step: Any) -> NDArray[Any]:
    return noisecli.corrupt(pixels, recipe(op, **step))


def moved(pixels: NDArray[Any], op: str, **step: Any) -> NDArray[np.int64]:
    """What an op adds, in levels."""
    return noisy(pixels, op, **step).astype(np.int64) - pixels


QUANTILES: list[tuple[str, float, dict[str, float], Callable[[float], float]]] = [
    ("gaussian_noise", 0.01, {}, NormalDist().inv_cdf),
    ("laplace_noise", 0.01, {}, lambda p: log(2 * p) / sqrt(2) if p < 0.5 else -log(2 - 2 * p) / sqrt(2)),
    ("uniform_noise", 0.2, {}, lambda p: (2 * p - 1) * sqrt(3)),
    ("student_t_noise", 0.01, {"df": 2}, lambda p: (2 * p - 1) / sqrt(2 * p * (1 - p))),
    ("student_t_noise", 0.01, {"df": 1e6}, NormalDist().inv_cdf),
    ("cauchy_noise", 0.01, {}, lambda p: tan(pi * (p - 0.5))),
    ("speckle_noise", 0.02, {}, lambda p: NormalDist().inv_cdf(p) / 2),  # mid-grey is half of white
]


@pytest.mark.parametrize(("op", "strength", "settings", "quantile"), QUANTILES)
def test_as_many_pixels_lie_below_a_quantile_as_it_says(
    op: str, strength: float, settings: dict[str, float], quantile: Callable[[float], float]
) -> None:
    shares = moved(GREY, op, **{ADDITIVE[op].strength: strength}, **settings) / 65535
    # Far out: 0.00003 of normal numbers are more than 4 sd below the mean.
    for p in (0.00003, 0.001, 0.02, 0.25, 0.5, 0.75, 0.98, 0.999, 0.99997):
        bound = strength * quantile(p)
        if abs(bound) < 0.49:  # beyond that mid-grey is clipped
            below = np.count_nonzero(shares < bound) / shares.size
            assert abs(below - p) < 4 * sqrt(p * (1 - p) / shares.size) + 2**-17, p


def test_speckle_grows_with_the_pixel_value_and_leaves_black() -> None:
    levels = np.repeat(np.array([0, 6_000, 24_000], np.uint16), 40_000).reshape(3, -1)
    black, dark, light = moved(levels, "speckle_noise", sigma=0.2)
    assert not black.any()
    assert dark.std() == pytest.approx(0.2 * 6_000, rel=0.02)
    assert light.std() == pytest.approx(0.2 * 24_000, rel=0.02)


@pytest.mark.parametrize(
    ("height", "width", "scale", "sigma"),
    [
        (64, 224, "resolution", 0.15),  # half-way from 64 to 224 px in the logarithm, so half-way from 0.12 to 0.18
        (64, 224, "none", 0.18),
        (20, 300, "resolution", 0.129142),  # as 77.46 px a side
        (9, 8, "resolution", 0.08),
        (300, 310, "resolution", 0.18),
    ],
)
def test_a_severity_goes_by_the_side_of_a_square_of_the_same_area(
    height: int, width: int, scale: str, sigma: float
) -> None:
    pixels = np.full((height, width), 32768, np.uint16)
    by_severity = noisy(pixels, "gaussian_noise", severity=3, scale=scale).astype(int)
    assert np.abs(by_severity - noisy(pixels, "gaussian_noise", sigma=sigma)).max() <= 1


@pytest.mark.parametrize(("op", "kurtosis"), [("gaussian_noise", 3), ("laplace_noise", 6), ("uniform_noise", 1.8)])
def test_sigma_is_the_standard_deviation_of_an_unbiased_error(op: str, kurtosis: float) -> None:
    shares = moved(GREY, op, sigma=0.02) / 65535
    assert abs(shares.mean()) < 4 * 0.02 / sqrt(shares.size)
    assert abs(shares.var() / 0.02**2 - 1) < 4 * sqrt((kurtosis - 1) / shares.size)


def counts_at(level: int, photons: int, dtype: type[np.unsignedinteger[Any]] = np.uint8) -> NDArray[np.int64]:
    """How many photons each of 512 x 512 pixels of a level caught."""
    after = noisy(np.full((512, 512), level, dtype), "shot_noise", photons=photons)
    return np.rint(after / np.iinfo(dtype).max * photons).astype(np.int64)


@pytest.mark.parametrize(("level", "dtype"), [(1, np.uint8), (20, np.uint8), (100, np.uint8), (12_345, np.uint16)])
def test_photons_are_poisson_numbers(level: int, dtype: type[np.unsignedinteger[Any]]) -> None:
    counts, mean = counts_at(level, 60, dtype), level / np.iinfo(dtype).max * 60
    assert abs(counts.mean() - mean) < 4 * sqrt(mean / counts.size)
    assert abs(counts.var() - mean) < 4 * sqrt((mean + 2 * mean * mean) / counts.size)
    chances = np.cumprod([np.exp(-mean), *(mean / k for k in range(1, 80))])
    found = np.bincount(counts.ravel(), minlength=80) / counts.size
    assert (np.abs(found - chances) < 4 * np.sqrt(chances / counts.size) + 2**-15).all()


def test_black_catches_no_photons_and_much_light_is_nearly_without_noise() -> None:
    half_black = np.repeat(np.array([[0], [128]], np.uint8), 100, axis=1)
    assert not noisy(half_black, "shot_noise", photons=60)[0].any()
    shares = noisy(GREY, "shot_noise", photons=10_000) / 65535
    assert abs(shares.mean() - 32768 / 65535) < 4 * sqrt(0.5 / 10_000 / shares.size)
    assert abs(shares.var() * 10_000 / 0.5 - 1) < 4 * sqrt(2.001 / shares.size)


def test_16_bits_catch_the_photons_that_8_bits_catch() -> None:
    pixels = np.asarray(Image.open(PHOTOGRAPHS / "coffee.png"))[..., 0]
    narrow, wide = (noisy(some, "shot_noise", photons=50) for some in (pixels, pixels * np.uint16(257)))
    assert np.array_equal(np.rint(narrow / 5.1), np.rint(wide / 1310.7))


def test_a_small_picture_catches_what_the_top_of_a_large_one_catches() -> None:
    """Quantiles are searched in the one and looked up in the other."""
    large = np.arange(256 * 512, dtype=np.uint32).astype(np.uint8).reshape(256, 512)
    small = large[:100]
    assert np.array_equal(noisy(small, "shot_noise", photons=300), noisy(large, "shot_noise", photons=300)[:100])


def test_a_camera_adds_what_reading_out_adds_to_the_noise_of_photons() -> None:
    shares = noisy(GREY, "iso_noise", photons=40, sigma=0.05) / 65535
    expected = 0.5 / 40 + 0.05**2
    assert abs(shares.mean() - 0.5) < 4 * sqrt(expected / shares.size)
    assert abs(shares.var() / expected - 1) < 4 * sqrt(2.1 / shares.size)


def test_less_light_keeps_the_order_of_pixels_by_their_photons() -> None:
    bright, dim = counts_at(128, 60).ravel(), counts_at(128, 12).ravel()
    groups = [dim[bright == count] for count in np.unique(bright)]
    assert len(groups) > 40
    assert all(few.max() <= many.min() for few, many in pairwise(groups))


DECIBELS = [12, 45]
"""Besides 20 and 35, which the battery asks for."""


@additive
def test_images_get_the_psnr_that_is_wanted(op: str, tmp_path: Path) -> None:
    swept = {**recipe(op, psnr_db=20), "sweep": {f"steps.{op}.psnr_db": DECIBELS}}
    done = noisecli.augment(PHOTOGRAPHS, swept, tmp_path / "out", workers=1)
    pictures = [entry for entry in done.manifest.outputs if entry.path.endswith(".png")]
    assert len(pictures) == 4 * len(DECIBELS)
    for entry in pictures:
        got = entry.drawn[op]
        with Image.open(PHOTOGRAPHS / Path(entry.path).name) as clean, Image.open(done.output / entry.path) as after:
            reached = psnr(np.asarray(clean), np.asarray(after))
        assert abs(reached - got["psnr_db"]) < 0.1, entry.path
        assert abs(reached - got["psnr_reached_db"]) < 0.001
        assert 0 < got[ADDITIVE[op].strength] <= 100


@additive
def test_the_strength_that_is_recorded_gives_the_same_picture(op: str, tmp_path: Path) -> None:
    photograph = PHOTOGRAPHS / "chelsea.png"
    done = noisecli.augment(photograph, recipe(op, psnr_db=25), tmp_path / "a.png")
    strength = ADDITIVE[op].strength
    recorded = done.manifest.outputs[0].drawn[op][strength]
    again = noisecli.augment(photograph, recipe(op, **{strength: recorded}), tmp_path / "b.png")
    assert done.output.read_bytes() == again.output.read_bytes()


@additive
def test_what_no_strength_can_reach_comes_as_near_as_it_can(op: str) -> None:
    """33.3 dB are 5.5 levels: one pixel can move by 6, or by none where the noise is 0 there."""
    with warnings.catch_warnings(action="ignore", category=NoiseWarning):
        assert abs(int(moved(np.full((1, 1), 60, np.uint8), op, psnr_db=33.3)[0, 0])) in (0, 6)


@additive
@pytest.mark.parametrize("twice", ["severity", "strength"])
def test_psnr_stands_in_place_of_a_strength(op: str, twice: str) -> None:
    key = twice if twice == "severity" else ADDITIVE[op].strength
    with pytest.raises(RecipeProblem, match="psnr_db"):
        noisy(np.zeros((8, 8), np.uint8), op, **{"psnr_db": 20, key: 1})


# The sensor


def test_a_wave_has_the_period_angle_and_phase_that_are_recorded(tmp_path: Path) -> None:
    Image.fromarray(np.full((90, 120, 3), 128, np.uint8)).save(tmp_path / "a.png")
    done = noisecli.augment(tmp_path / "a.png", recipe("periodic_noise", amplitude=0.2, period=9.5), tmp_path / "b.png")
    drawn = done.manifest.outputs[0].drawn["periodic_noise"]
    angle, phase = np.deg2rad([drawn["angle"], drawn["phase"]])
    down, right = np.mgrid[:90, :120]
    wave = 51 * np.sin(2 * pi * (down * np.sin(angle) + right * np.cos(angle)) / 9.5 + phase)
    with Image.open(done.output) as after:
        assert np.abs(np.asarray(after, float) - 128 - wave[..., np.newaxis]).max() < 0.51


@pytest.mark.parametrize(("direction", "along", "across"), [("row", 1, 0), ("column", 0, 1)])
def test_bands_are_as_long_as_the_picture(direction: str, along: int, across: int) -> None:
    offsets = moved(np.full((400, 420, 3), 128, np.uint8), "banding", direction=direction, sigma=0.05)
    assert not np.ptp(offsets, axis=(along, 2)).any()
    lines = offsets[..., 0].take(0, axis=along)
    assert len(lines) == offsets.shape[across]
    assert abs(lines.std() - 12.75) < 4 * 12.75 / sqrt(2 * len(lines))


def test_half_the_variance_of_a_fixed_pattern_is_that_of_columns() -> None:
    pattern = moved(GREY, "fixed_pattern", sigma=0.02) / 65535
    columns = pattern.mean(axis=0)
    assert abs(columns.var() / 0.0002 - 1) < 4 * sqrt(2 / 512)
    assert abs((pattern - columns).var() / 0.0002 - 1) < 4 * sqrt(2 / pattern.size) + 1 / 512


@pytest.mark.parametrize("op", ["fixed_pattern", "dead_pixels", "hot_pixels"])
def test_what_belongs_to_the_sensor_is_the_same_in_every_image(op: str) -> None:
    batch = np.full((3, 40, 50, 3), 128, np.uint8)
    first, *others = noisy(batch, op, severity=4)
    assert (first != 128).any()
    assert all(np.array_equal(first, other) for other in others)
    other_sensor = noisecli.corrupt(batch, recipe(op, severity=4), seed=2)
    assert not np.array_equal(first, other_sensor[0])


@pytest.mark.parametrize("op", ["gaussian_noise", "banding", "periodic_noise", "shot_noise"])
def test_what_belongs_to_a_picture_differs_from_image_to_image(op: str) -> None:
    first, second = noisy(np.full((2, 40, 50, 3), 128, np.uint8), op, severity=4)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("op", "level"), [("dead_pixels", 0), ("hot_pixels", 255)])
def test_defects_are_a_share_of_the_pixels_and_stay_where_they_are(op: str, level: int) -> None:
    grey = np.full((400, 400, 3), 128, np.uint8)
    before: Any = np.zeros((400, 400), bool)
    for amount in (0.002, 0.05, 1):
        after = noisy(grey, op, amount=amount)
        defects = (after == level).all(axis=2)
        assert (after[~defects] == 128).all()
        assert abs(defects.mean() - amount) <= 4 * sqrt(amount * (1 - amount) / defects.size)
        assert not (before & ~defects).any()
        before = defects
