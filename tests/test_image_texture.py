"""Textures: spectra, levels and shapes of what is added, and light that brightens where it should."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noisecli
from noisecli.corruption import registered
from noisecli.corruptions.image.sparkle import InverseSparkles, _refracted
from noisecli.corruptions.image.texture import ConcentricSine
from noisecli.streams import Stream

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
Levels = NDArray[np.float64]

PUBLISHED: dict[str, tuple[str, float, Sequence[float]]] = {
    "blue_noise": ("sigma", 19.6 / 255, [0.8, 1.6, 2.4, 4, 5.6]),
    "brownish_noise": ("sigma", 6.4 / 255, [1, 2, 3, 4, 5]),
    "caustic_refraction": ("depth", 0.05, [2.35, 3.2, 4.9, 6.6, 9.15]),
    "checkerboard_cutout": ("amount", 0.1, [2, 3, 4, 5, 6]),
    "concentric_sine": ("amplitude", 12.8 / 255 / 2, [3, 5, 8, 9, 10]),
    "inverse_sparkles": ("fading", 0.26, [1, 2, 4, 9, 10]),
    "perlin_noise": ("weight", 0.05, [4.6, 5.2, 5.8, 7.6, 8.8]),
    "plasma_noise": ("weight", 6.4 / 255, [4.75, 7, 8.5, 9.25, 10]),
    "single_frequency": ("amplitude", 19.6 / 255, [1, 1.5, 2, 4.5, 5]),
    "sparkles": ("radius", 0.01, [1, 2, 3, 5, 6]),
}
"""Levels of ImageNet-C-bar, and what its code makes of one level, in the unit of the parameter here."""


def corrupt(pixels: NDArray[Any], op: str, seed: int = 1, **step: Any) -> NDArray[Any]:
    steps = [{"op": op, **step}]
    recipe = {"noisecli": 1, "seed": seed, "target": "images", "purpose": "evaluate", "steps": steps}
    return np.asarray(noisecli.corrupt(pixels, recipe))


def photograph(name: str = "coffee") -> NDArray[np.uint8]:
    with Image.open(PHOTOGRAPHS / f"{name}.png") as picture:
        return np.asarray(picture.convert("RGB"))


def grey(side: int, level: float = 0.5, channels: int = 3) -> NDArray[np.uint16]:
    return np.full((side, side, channels), round(level * 65535), np.uint16)


def added(op: str, side: int = 256, seed: int = 1, level: float = 0.5, **step: Any) -> Levels:
    """What an op adds to a grey picture of 16 bits, in shares of the range."""
    clean = grey(side, level)
    return (corrupt(clean, op, seed, **step) - clean.astype(np.float64)) / 65535


def power(noise: Levels, seen: Levels) -> tuple[Levels, Levels]:
    """The power at each frequency, over all channels, and how many cycles a picture that frequency has."""
    spectrum = (np.abs(np.fft.fft2(noise * seen, axes=(0, 1))) ** 2).sum(axis=2)
    cycles = np.fft.fftfreq(len(noise)) * len(noise)
    return spectrum, np.hypot(cycles[:, None], cycles)


def slope(noise: Levels, seen: Levels, low: int, high: int) -> float:
    """By which power of the frequency the power changes from the octave at `low` cycles to that at `high`."""
    spectrum, cycles = power(noise, seen)
    near, far = (spectrum[(cycles >= start) & (cycles < 2 * start)].mean() for start in (low, high))
    return float(np.log(far / near) / np.log(high / low))


def window(side: int) -> Levels:
    """Ends fade, so that the jump from one border to the other does not count."""
    fade = np.hanning(side)
    return (fade[:, None] * fade)[..., None]


def test_the_power_of_blue_noise_grows_with_the_square_of_the_frequency() -> None:
    noise = added("blue_noise", sigma=0.05)
    assert abs(slope(noise, window(256), 4, 24) - 2) < 0.15
    assert abs(noise.std() / 0.05 - 1) < 0.01
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_the_power_of_brownish_noise_falls_with_the_fourth_power_of_the_frequency() -> None:
    noise = added("brownish_noise", sigma=0.05)
    assert abs(slope(noise, window(256), 4, 64) + 4) < 0.2
    assert np.allclose(noise.std(axis=(0, 1)), 0.05, rtol=1e-3)
    assert (np.abs(noise.mean(axis=(0, 1))) <= 0.0501).all()


@pytest.mark.parametrize("seed", range(4))
def test_single_frequency_is_one_wave_of_its_amplitude(seed: int) -> None:
    noise = added("single_frequency", seed=seed, amplitude=0.2)
    assert (noise == noise[..., :1]).all()
    assert 0.19 < np.abs(noise).max() < 0.20002
    spectrum, _ = power(noise, window(256))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    kept = np.zeros_like(spectrum, bool)
    for sign in (1, -1):
        kept[np.ix_((sign * row + np.arange(-3, 4)) % 256, (sign * column + np.arange(-3, 4)) % 256)] = True
    assert spectrum[kept].sum() > 0.999 * spectrum.sum()


def drawn_and_added(op: str, tmp_path: Path, **step: Any) -> tuple[dict[str, Any], Levels]:
    """What the truth says that a grey picture got, and what it really got, in shares of the range."""
    clean = grey(200, channels=1)[..., 0]
    Image.fromarray(clean).save(tmp_path / "a.png")
    recipe = {"noisecli": 1, "seed": 1, "purpose": "evaluate", "steps": [{"op": op, **step}]}
    done = noisecli.augment(tmp_path / "a.png", recipe, tmp_path / "b.png")
    with Image.open(done.output) as after:
        return done.manifest.outputs[0].drawn[op], (np.asarray(after) - clean.astype(float)) / 65535


def test_waves_run_as_the_truth_tells(tmp_path: Path) -> None:
    drawn, noise = drawn_and_added("single_frequency", tmp_path, amplitude=0.2)
    rows, columns = np.mgrid[:200, :200]
    turns = rows * drawn["cycles_per_px_down"] + columns * drawn["cycles_per_px_right"] + drawn["phase"] / 360
    assert np.abs(noise - 0.2 * np.sin(2 * np.pi * turns)).max() < 1e-4


def test_a_plasma_is_what_the_truth_tells(tmp_path: Path) -> None:
    drawn, noise = drawn_and_added("plasma_noise", tmp_path, weight=0.3)
    down, right = np.mgrid[:200, :200] / drawn["scale_px"]
    for scale, (first, second) in enumerate(drawn["phases"][: drawn["scales"]]):
        aside, along = (
            np.sin(place * 1.93**scale + 2 * np.pi * start) / drawn["fading"] ** scale
            for place, start in ((down, first), (right, second))
        )
        down, right = down + along + 0.3 * aside, right + aside - 0.3 * along
    red = np.sin(right + 2 * np.pi * drawn["phases"][6][0])
    assert np.abs(noise - 0.3 * (red - 0.5)).max() < 0.005


def test_the_cast_of_brownish_noise_is_what_the_truth_tells(tmp_path: Path) -> None:
    drawn, noise = drawn_and_added("brownish_noise", tmp_path, sigma=0.05)
    assert noise.mean() == pytest.approx(0.05 * drawn["cast"][0], abs=1e-4)
    assert noise.std() == pytest.approx(0.05, rel=1e-3)


def test_turbulence_has_five_octaves() -> None:
    """The power in each octave is about a quarter of that in the one before, down to waves of two pixels or so."""
    noise = np.concatenate([added("perlin_noise", seed=seed, weight=0.5)[..., :1] for seed in range(4)], axis=2)
    spectrum, cycles = power(noise, window(256))
    octaves = [spectrum[(cycles >= low) & (cycles < 2 * low)].sum() for low in (7, 14, 28, 56)]
    assert all(0.1 < finer / coarser < 0.6 for coarser, finer in pairwise(octaves)), octaves


def test_rings_take_all_levels_between_their_ends_alike() -> None:
    noise = added("concentric_sine", amplitude=0.15)
    assert (noise == noise[..., :1]).all()
    assert np.abs(noise).max() <= 0.15001
    assert np.allclose(np.quantile(noise, np.linspace(0, 1, 7)), np.linspace(-0.15, 0.15, 7), atol=0.01)


def test_rings_lie_around_their_centre_and_swing() -> None:
    drawn = {"centre": [40.5, 70.0], "ring_px": 17.0, "swing_px": 6.0, "swings": 5}
    rng = Stream(1, 1, "step", "a.png").generator("value", "", 0)
    noise = ConcentricSine().noise(grey(128), drawn, rng)[..., 0]
    down, right = np.mgrid[:128, :128] - np.array([40.5, 70.0])[:, None, None]
    far = np.hypot(down, right) + 6 * np.sin(5 * (np.arctan2(down, right) + np.pi))
    off = np.abs(noise / 2 - (far / 17 % 1 - 0.5))
    assert np.minimum(off, 1 - off).max() < 2e-4  # the jump from one ring to the next may come a little sooner


@pytest.mark.parametrize("level", [0, 0.5, 1])
def test_clouds_take_their_share_from_the_picture(level: float) -> None:
    perlin = level + added("perlin_noise", level=level, weight=0.4)
    assert (perlin == perlin[..., :1]).all()
    assert perlin.min() >= 0.6 * level + 0.4 * 0.5 - 1e-4
    assert perlin.max() <= 0.6 * level + 0.4 + 1e-4
    assert np.ptp(perlin) > 0.4 * 0.4
    plasma = level + added("plasma_noise", level=level, weight=0.4)
    assert plasma.max() <= min(0.6 * level + 0.4, 1) + 1e-4
    assert plasma.min() >= max(0.6 * level - 0.4, 0) - 1e-4
    assert not np.allclose(plasma[..., 0], plasma[..., 1], atol=0.1)


@pytest.mark.parametrize("op", ["perlin_noise", "plasma_noise", "concentric_sine", "sparkles", "inverse_sparkles"])
def test_a_picture_twice_as_large_gets_the_same_pattern(op: str) -> None:
    small, large = (corrupt(grey(side), op, seed=3).astype(np.int64) for side in (160, 320))
    assert np.median(np.abs(large[::2, ::2] - small)) < 65535 * 0.002
    assert np.ptp(small) > 65535 * 0.1


def test_sparkles_are_five_white_stars_that_grow() -> None:
    black = np.zeros((224, 224, 3), np.uint8)
    severities = [corrupt(black, "sparkles", severity=i).astype(int) for i in range(6)]
    for less, more in pairwise(severities):
        assert (more >= less).all()
    white = severities[1][..., 0] == 255
    assert islands(white) == 5
    assert 5 <= white.sum() < 5 * np.pi * 5**2


def islands(mask: NDArray[np.bool_]) -> int:
    """How many connected parts a mask has."""
    left, count = {(int(y), int(x)) for y, x in np.argwhere(mask)}, 0
    while left:
        border, count = [left.pop()], count + 1
        while border:
            y, x = border.pop()
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            border.extend(near)
    return count


def test_inverse_sparkles_keep_one_star_of_the_picture_and_bleach_the_rest() -> None:
    black = np.zeros((224, 224, 3), np.uint8)
    severities = [corrupt(black, "inverse_sparkles", severity=i) for i in range(1, 6)]
    for less, more in pairwise(severities):
        assert more.mean() > less.mean()
        assert (more[less == 0] <= 2).all()
    assert islands(severities[4][..., 0] < 64) == 1
    assert severities[4].max() > 230


def test_the_star_lies_where_the_truth_tells_in_the_middle_half(tmp_path: Path) -> None:
    drawn, noise = drawn_and_added("inverse_sparkles", tmp_path, fading=10)
    kept = np.argwhere(noise < 0.01)
    assert kept.mean(axis=0) == pytest.approx(drawn["centre"], abs=5)
    rng = Stream(1, 1, "step", "").generator("value", "", 0)
    centres = [InverseSparkles().draw(grey(200), rng)["centre"] for _ in range(200)]
    assert 50 <= np.min(centres) < 55
    assert 145 < np.max(centres) <= 150


def test_the_middle_of_a_star_is_nearer_than_32_bits_can_tell() -> None:
    pixels = grey(401)
    rng = Stream(1, 1, "step", "").generator("value", "", 0)
    seen = InverseSparkles(fading=10).apply(pixels, {"centre": [200, 200], "rays": 60}, rng)
    assert np.array_equal(seen[180:220, 180:220], pixels[180:220, 180:220])


def test_caustics_only_shift_without_light_and_only_shade_without_depth() -> None:
    clean, flat = photograph("chelsea"), grey(224)
    with pytest.warns(noisecli.NoiseWarning, match="no effect"):
        assert np.array_equal(corrupt(flat, "caustic_refraction", depth=0.3, light=0), flat)
    shifted = corrupt(clean, "caustic_refraction", depth=0.3, light=0)
    assert not np.array_equal(shifted, clean)
    assert (shifted.min(axis=(0, 1)) >= clean.min(axis=(0, 1))).all()
    assert (shifted.max(axis=(0, 1)) <= clean.max(axis=(0, 1))).all()
    shade = added("caustic_refraction", 224, depth=0, light=1)
    assert (shade == shade[..., :1]).all()
    assert 0.01 < shade.std() < 0.1
    assert abs(shade.mean()) < 0.01


def test_water_bends_light_by_snell_s_law() -> None:
    slope = np.array([0.01, 0.1, 0.5, 2], np.float32)
    falling = np.arctan(slope)
    expected = np.sin(falling - np.arcsin(np.sin(falling) / 4)) / slope * slope**2 / (slope**2 + 0.028**2)
    assert _refracted(slope, np.zeros(4, np.float32)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("op", PUBLISHED)
def test_severities_are_the_published_levels(op: str) -> None:
    parameter, one, levels = PUBLISHED[op]
    rows = registered()["images", op].severities
    assert [row[parameter] for row in rows] == pytest.approx([one * level for level in levels], abs=6e-5)


def test_small_pictures_get_the_levels_published_for_them() -> None:
    for side, radius in ((32, 0.07), (224, 0.06)):
        black = np.zeros((side, side, 3), np.uint8)
        assert np.array_equal(corrupt(black, "sparkles", severity=5), corrupt(black, "sparkles", radius=radius))
