"""Blurs, codecs and sizes: against kernels worked out here, and what must hold for any picture."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import noisecli
from noisecli.errors import DataProblem, NoiseWarning

Array = NDArray[Any]
PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"

BLURS: dict[str, dict[str, float]] = {
    "gaussian_blur": {"sigma": 3},
    "defocus_blur": {"radius": 6},
    "glass_blur": {"sigma": 1.5, "delta": 4, "iterations": 2},
    "motion_blur": {"radius": 15, "sigma": 12},
    "zoom_blur": {"stop": 1.31, "step": 0.03},
    "pixelate": {"share": 0.3},
    "downscale": {"factor": 2.7},
}


def struck(pixels: Array, op: str, **settings: Any) -> Array:
    """The picture that an op makes of an array."""
    recipe = {"noisecli": 1, "seed": 1, "target": "images", "purpose": "evaluate", "steps": [{"op": op, **settings}]}
    return np.asarray(noisecli.corrupt(pixels, recipe))


def texture(height: int, width: int, channels: int = 3) -> Array:
    """A smooth picture with noise, on all levels."""
    rows, columns = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin(rows / 9) + 50 * np.cos(columns / 7)
    noise = np.random.Generator(np.random.PCG64(3)).normal(0, 25, (height, width, channels))
    return np.clip(waves[..., np.newaxis] + noise, 0, 255).astype(np.uint8)


def point(size: int) -> Array:
    """A white pixel in the middle of black ones, on 16 bits."""
    pixels = np.zeros((size, size), np.uint16)
    pixels[size // 2, size // 2] = 65535
    return pixels


every_blur = pytest.mark.parametrize("op", BLURS)


@every_blur
@pytest.mark.parametrize("level", [np.uint8(77), np.uint8(255), np.uint16(12345), np.uint16(65535)])
def test_a_constant_picture_stays_as_it_is(op: str, level: Any) -> None:
    pixels = np.full((50, 61, 1), level)
    with pytest.warns(NoiseWarning, match="unchanged: no effect"):
        assert np.array_equal(struck(pixels, op, **BLURS[op]), pixels)


@pytest.mark.parametrize(("op", "quality"), [("jpeg_compression", 10), ("webp_compression", 5)])
def test_codecs_make_of_16_bits_just_what_they_make_of_8(op: str, quality: int) -> None:
    grey = texture(60, 71, 1)
    narrow, wide = (struck(pixels, op, quality=quality) for pixels in (grey, grey.astype(np.uint16) * 257))
    assert np.array_equal(wide, narrow.astype(np.uint16) * 257)


@pytest.mark.parametrize("sigma", [0.4, 2.7, 6])
def test_gaussian_blur_is_that_of_scipy(sigma: float) -> None:
    pixels = texture(80, 90)
    expected = ndimage.gaussian_filter(pixels.astype(float), (sigma, sigma, 0), mode="nearest", truncate=4)
    assert np.abs(struck(pixels, "gaussian_blur", sigma=sigma) - expected).max() <= 0.501


@pytest.mark.parametrize(("radius", "alias"), [(0.3, 0.4), (1, 0.1), (2.7, 0.3), (6, 0.5), (8, 2), (10, 2)])
def test_defocus_blur_turns_a_point_into_a_soft_disk(radius: float, alias: float) -> None:
    rows, columns = np.mgrid[-20:21, -20:21]
    disk = (rows**2 + columns**2 <= radius**2).astype(float)
    reach = 1 if radius <= 8 else 2
    rim = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * alias**2))
    expected = ndimage.convolve(disk / disk.sum(), np.outer(rim, rim) / rim.sum() ** 2)
    assert np.abs(struck(point(41), "defocus_blur", radius=radius, alias=alias) / 65535 - expected).max() < 1e-5


def test_beyond_the_border_defocus_sees_the_mirror_image() -> None:
    pixels = texture(40, 50, 1)[..., 0] * np.uint16(257)
    rows, columns = np.mgrid[-9:10, -9:10]
    disk = ndimage.convolve((rows**2 + columns**2 <= 36).astype(float), np.full((3, 3), 1 / 9), mode="constant")
    expected = ndimage.convolve(pixels.astype(float), disk / disk.sum(), mode="mirror")
    assert np.abs(struck(pixels, "defocus_blur", radius=6, alias=100) - expected).max() < 3


def test_a_gaussian_ends_four_standard_deviations_away() -> None:
    dot = point(81)
    expected = ndimage.gaussian_filter(dot.astype(float), 6, truncate=4)
    assert np.abs(struck(dot, "gaussian_blur", sigma=6) - expected).max() <= 0.51


def test_motion_blur_is_half_a_gaussian_along_the_drawn_angle(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(8):
        Image.fromarray(point(81)).save(tmp_path / "in" / f"{i}.png")
    recipe = {"noisecli": 1, "seed": 1, "steps": [{"op": "motion_blur", "radius": 15, "sigma": 8}]}
    output = noisecli.augment(tmp_path / "in", recipe, tmp_path / "out", truth=True, workers=1).output
    lines = pq.read_table(f"{output}.noisecli-truth.parquet").to_pylist()
    angles = {line["file"]: json.loads(line["drawn"])["angle"] for line in lines}
    assert len(set(angles.values())) == 8
    away = np.arange(31)
    for name, angle in angles.items():
        assert -45 <= angle <= 45
        expected = np.zeros((81, 81))
        places = [40 - np.rint(away * side(math.radians(angle))).astype(int) for side in (math.sin, math.cos)]
        np.add.at(expected, tuple(places), np.exp(-(away**2) / 128))
        with Image.open(output / name) as image:
            assert np.abs(np.asarray(image) / 65535 - expected / expected.sum()).max() < 1e-5


def test_zoom_blur_is_a_mean_of_zooms_about_the_middle() -> None:
    pixels = texture(60, 71)
    rows, columns = np.mgrid[:60, :71]
    layers = [pixels.astype(float)]
    for zoom in np.arange(1, 1.31, 0.03):
        places = [(rows - 29.5) / zoom + 29.5, (columns - 35) / zoom + 35]
        zoomed = [ndimage.map_coordinates(pixels[..., i].astype(float), places, order=1) for i in range(3)]
        layers.append(np.stack(zoomed, axis=2))
    assert np.abs(struck(pixels, "zoom_blur", stop=1.31, step=0.03) - np.mean(layers, axis=0)).max() <= 0.501


@pytest.mark.parametrize(("op", "tolerance"), [("gaussian_blur", 0.01), ("defocus_blur", 0.01), ("motion_blur", 0.01)])
def test_blurs_keep_the_mean(op: str, tolerance: float) -> None:
    pixels = np.full((160, 160, 3), 128, np.uint8)
    pixels[40:-40, 40:-40] = texture(80, 80)
    # Rounding moves the mean of 76,800 values by 0.001; a weight that is lost moves it by far more.
    assert abs(struck(pixels, op, **BLURS[op]).mean() - pixels.mean()) < tolerance


def test_glass_blurs_before_and_after_and_moves_as_often_as_it_says() -> None:
    pixels = texture(60, 70, 1)[..., 0] * np.uint16(257)
    twice = ndimage.gaussian_filter(pixels.astype(float), 2 * 2**0.5, mode="nearest")[20:-20, 20:-20]
    done = struck(pixels, "glass_blur", sigma=2, delta=0, iterations=1)[20:-20, 20:-20]
    assert np.abs(done - twice).max() < 100, "of 65535"
    numbers = np.arange(200 * 200, dtype=np.uint16).reshape(200, 200)
    once, thrice = (
        np.var(
            (struck(numbers, "glass_blur", sigma=0, delta=2, iterations=i).astype(int) // 200 - numbers // 200)[9:-9]
        )
        for i in (1, 3)
    )
    assert thrice == pytest.approx(3 * once, rel=0.25)


@pytest.mark.parametrize("delta", [1, 2, 4])
def test_glass_blur_moves_colours_as_copying_one_pixel_after_the_other_does(delta: int) -> None:
    height, width = 180, 200
    pixels = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    done = struck(pixels, "glass_blur", sigma=0, delta=delta, iterations=1).astype(int)
    copied = pixels.tolist()
    offsets = np.random.Generator(np.random.PCG64(5)).integers(-delta, delta, (2, height, width)).tolist()
    for row in range(height - delta, delta, -1):
        for column in range(width - delta, delta, -1):
            down, right = offsets[0][row][column], offsets[1][row][column]
            copied[row][column] = copied[row + down][column + right]
    inner = np.s_[30:-30, 30:-30]
    moved = [
        [(ids // width - pixels // width)[inner], (ids % width - pixels % width)[inner]]
        for ids in (done, np.array(copied))
    ]
    for ours, theirs in zip(*moved, strict=True):
        # Chains of copies are correlated: a few pixels move as one.
        assert abs(ours.mean() - theirs.mean()) < 0.06 * delta
        assert abs(ours.std() / theirs.std() - 1) < 0.05
    stay = [((down == 0) & (right == 0)).mean() for down, right in moved]
    assert abs(stay[0] - stay[1]) < 0.02


@pytest.mark.parametrize("share", [0.6, 0.25, 0.07])
def test_pixelate_gives_blocks_of_their_mean(share: float) -> None:
    pixels = texture(57, 90)
    after = struck(pixels, "pixelate", share=share)
    rows, columns = (
        [math.floor(k * size / int(size * share) + 0.5) for k in range(int(size * share) + 1)] for size in (57, 90)
    )
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            mean = pixels[top:bottom, left:right].mean(axis=(0, 1))
            assert np.abs(after[top:bottom, left:right] - mean).max() <= 0.5


@pytest.mark.parametrize("factor", [2, 4])
def test_downscale_keeps_slopes_and_loses_what_is_finer_than_its_pixels(factor: float) -> None:
    rows, columns = np.mgrid[:64, :80]
    slope = (2 * rows + columns).astype(np.uint8)
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(struck(slope, "downscale", factor=factor)[inner].astype(int) - slope[inner]).max() <= 1
    for stripes in (rows, columns, rows + columns):
        fine = (stripes % 2 * 255).astype(np.uint8)
        assert np.abs(struck(fine, "downscale", factor=factor)[inner] - 127.5).max() <= 1


def test_jpeg_halves_colour_and_rounds_16_bits() -> None:
    stripes = np.full((64, 64, 3), 128, np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (180, 118, 90), (76, 138, 166)
    done = struck(stripes, "jpeg_compression", quality=100)[8:-8, 8:-8].astype(int)
    assert np.abs(np.diff(done[..., 0] - done[..., 2], axis=1)).max() < 30, "it was 180"
    levels = np.array([[128, 129, 40_000]], np.uint16).repeat(16, axis=0).repeat(16, axis=1)
    assert struck(levels, "jpeg_compression", quality=100)[0, [4, 20]].tolist() == [0, 257]


@pytest.mark.parametrize("shift", range(4))
def test_downscale_takes_means(shift: int) -> None:
    lines = np.zeros((64, 64), np.uint16)
    lines[:, shift::4] = 40_000
    assert np.abs(struck(lines, "downscale", factor=4)[8:-8, 8:-8].astype(int) - 10_000).max() <= 1


@pytest.mark.parametrize(("op", "most"), [("jpeg_compression", 65_500), ("webp_compression", 16_383)])
def test_codecs_refuse_what_they_cannot_hold_by_name(op: str, most: int) -> None:
    tall = texture(most + 1, 1, 1)
    assert struck(tall[1:], op, severity=1).shape == (most, 1, 1)
    with pytest.raises(DataProblem, match=f"{op}: [A-Z]+ holds {most} px a side, the image is 1 x {most + 1}"):
        struck(tall, op, severity=1)
