"""Weather, and what lies on the lens: each does to a picture what its name says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noisecli
from noisecli.corruptions.image.lens import SunFlare
from noisecli.corruptions.image.soiling import ICE_BRIGHT, ICE_DARK, Frost
from noisecli.pixels.ice import oriented
from noisecli.run import augment
from noisecli.streams import Stream

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
OPS = ["fog", "snow", "rain", "frost", "spatter", "sun_flare"]


def struck(pixels: NDArray[Any], op: str, seed: int = 1, **parameters: Any) -> NDArray[Any]:
    step = {"op": op, "scale": "none", **parameters}
    return np.asarray(
        noisecli.corrupt(
            pixels, {"noisecli": 1, "seed": seed, "target": "images", "purpose": "evaluate", "steps": [step]}
        )
    )


def flat(level: int, height: int = 160, width: int = 200, channels: int = 3) -> NDArray[np.uint8]:
    return np.full((height, width, channels), level, np.uint8)


def photographs() -> list[NDArray[np.uint8]]:
    return [np.asarray(Image.open(path)) for path in sorted(PHOTOGRAPHS.glob("*.png"))]


def direction(picture: NDArray[Any]) -> float:
    """The angle along which a picture changes least, in degrees: 0 is along the rows, 90 along the columns."""
    levels = picture[..., 0].astype(float)
    for _ in range(2):  # a line of whole pixels has steps, whose gradients lie along the axes
        levels = sum(np.roll(levels, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    down, right = np.gradient(levels)
    steepest = np.arctan2(2 * (down * right).sum(), (right**2).sum() - (down**2).sum()) / 2
    return float(np.degrees(steepest) + 90) % 180


@pytest.mark.parametrize("op", ["snow", "rain"])
def test_streaks_lie_along_the_angle_that_the_manifest_tells(op: str, tmp_path: Path) -> None:
    Image.fromarray(flat(60, 300, 300)).save(tmp_path / "a.png")
    for seed in range(6):
        recipe = {"noisecli": 1, "seed": seed, "purpose": "evaluate", "steps": [{"op": op, "severity": 3}]}
        done = augment(tmp_path / "a.png", recipe, tmp_path / f"{seed}.png", workers=1)
        angle = done.manifest.outputs[0].drawn[op]["angle"]
        with Image.open(done.output) as after:
            off = (direction(np.asarray(after)) - angle + 90) % 180 - 90
        assert abs(off) < 6, (angle, off)


def test_fog_lowers_contrast_everywhere_alike() -> None:
    """White is what it was under the thickest fog, so contrast is 1 / (1 + amount) of what it was."""
    board = (np.indices((90, 70)).sum(axis=0) % 2 * 255).astype(np.uint8)
    light, dark = (struck(picture, "fog", amount=1.5, decay=1.4).astype(int) for picture in (board, 255 - board))
    assert np.abs(np.abs(light - dark) - 255 / 2.5).max() <= 1
    clouds = np.minimum(light, dark)
    assert clouds.min() < 10
    assert clouds.std() > 10


def test_fog_over_black_is_dimmed_to_black() -> None:
    with pytest.warns(noisecli.NoiseWarning, match="no effect"):
        assert not struck(flat(0), "fog").any()
    assert struck(flat(1), "fog").max() <= 1


def test_fog_over_a_long_strip_takes_no_square_of_its_length() -> None:
    assert struck(flat(90, 8, 50_000, 1), "fog").std() > 5


def test_snow_whitens_what_is_left_of_the_colours() -> None:
    """Without flakes a level x of a grey picture becomes mix * x + (1 - mix) * (1.5 x + 127.5)."""
    done = struck(flat(100), "snow", threshold=1, mean=0, std=0.1, mix=0.6)
    assert (done == 171).all()  # 60 + 0.4 * 277.5
    flakes = struck(flat(0), "snow", mix=1).astype(int)
    assert np.abs(flakes - flakes[::-1, ::-1]).max() == 0  # the layer, and the layer upside down


def test_heavier_rain_is_the_same_streaks_and_more() -> None:
    dry = {"dim": 0, "blur": 0, "length": 0.1}
    light, heavy = (struck(flat(20), "rain", amount=amount, **dry) for amount in (0.1, 0.4))
    assert (heavy >= light).all()
    assert 0.02 < (light > 20).mean() < 0.5 * (heavy > 20).mean()
    assert (struck(flat(200), "rain", amount=0, blur=0, dim=0.25) == 150).all()
    assert struck(flat(0), "rain", **{**dry, "amount": 1}).max() == 217, "the sky is at 0.85 of white"


def test_rain_as_bright_as_the_dimmed_scene_is_not_seen() -> None:
    """A streak of 0.85 covers what it hides, and does not add to it."""
    assert (struck(flat(255), "rain", dim=0.15, blur=0) == 217).all()
    seen = struck(flat(255), "rain", dim=0.6, blur=0)
    assert seen.min() == 102
    assert seen.max() > 150


def test_a_large_picture_gets_the_streaks_of_a_small_one_enlarged() -> None:
    small, large = (struck(flat(60, 500 * k, 300 * k, 1), "rain", blur=0) for k in (1, 3))
    assert np.array_equal(large[::3, ::3], small)


def test_frost_is_between_blue_glass_and_bluish_white() -> None:
    ice = struck(flat(77), "frost", image_weight=0, frost_weight=1) / 255
    assert (ice.min(axis=(0, 1)) >= np.subtract(ICE_DARK, 0.002)).all()
    assert (ice.max(axis=(0, 1)) <= np.add(ICE_BRIGHT, 0.002)).all()


def test_frost_lies_in_eight_ways_and_is_thicker_towards_the_borders() -> None:
    rng = Stream(1, 1, "step", "").generator("value", "", 0)
    black = flat(0, 128, 128, 1)
    grown = [Frost().apply(black, {"top": 90, "left": 40, "way": way}, rng)[..., 0].astype(int) for way in range(8)]
    for way, ice in enumerate(grown):
        assert np.abs(oriented(grown[0], way) - ice).max() <= 1
    assert len({ice.tobytes() for ice in grown}) == 8
    many = np.mean([struck(black, "frost", seed=seed)[..., 0] for seed in range(20)], axis=0)
    assert (many[:12].mean() + many[-12:].mean()) / 2 > 1.3 * many[40:-40, 40:-40].mean()


def test_the_sun_stands_in_the_upper_half() -> None:
    rng = Stream(1, 1, "step", "").generator("value", "", 0)
    suns = np.array([SunFlare().draw(flat(0), rng)["sun"] for _ in range(300)])
    assert suns.min(axis=0) == pytest.approx([0.05, 0.1], abs=0.01)
    assert suns.max(axis=0) == pytest.approx([0.45, 0.9], abs=0.01)


def test_ghosts_lie_on_the_line_from_the_sun_through_the_centre() -> None:
    rng = Stream(1, 1, "step", "").generator("value", "", 0)
    drawn = {"sun": [0.2, 0.3], "angle": 36.0, "ghosts": []}
    ghost = {"along": 1.5, "radius": 0.05, "light": 0.4, "red": 1, "green": 1, "blue": 1}
    with_it, without = (
        SunFlare().apply(flat(0), {**drawn, "ghosts": ghosts}, rng).astype(int) for ghosts in ([ghost], [])
    )
    lit = np.argwhere((with_it - without).sum(axis=2) > 20).mean(axis=0) + 0.5
    sun, centre = np.array([0.2 * 160, 0.3 * 200]), np.array([80, 100])
    assert lit == pytest.approx(sun + 1.5 * (centre - sun), abs=1)


def test_frost_is_the_same_at_every_severity() -> None:
    textures = []
    for severity, weight in enumerate((0.4, 0.6, 0.7, 0.7, 0.75), 1):
        textures.append(struck(flat(0), "frost", severity=severity) / weight)
    for texture in textures[1:]:
        assert np.abs(texture - textures[0]).max() <= 0.5 / 0.4 + 0.5 / 0.6
    red, _, blue = np.moveaxis(textures[0], 2, 0)
    assert (blue >= red).all()
    assert textures[0].std() > 30
    other = struck(flat(0), "frost", seed=2, severity=5)
    assert np.corrcoef(other.ravel(), textures[4].ravel())[0, 1] < 0.5


def test_drops_cover_what_the_threshold_says_water_brightens_and_mud_hides() -> None:
    water = struck(flat(0, 500, 500), "spatter", severity=1)
    # A blur by sigma divides the standard deviation of noise by 2 sqrt(pi) sigma: 1.9 of them is the threshold.
    assert (water.any(axis=2)).mean() == pytest.approx(0.029, rel=0.35)
    photograph = photographs()[0]
    assert (struck(photograph, "spatter", severity=3) >= photograph).all()
    on_white, on_black = (struck(flat(level, 500, 500), "spatter", severity=4).astype(float) for level in (255, 0))
    hidden = 1 - (on_white - on_black) / 255
    assert 0.05 < (hidden > 0.01).mean() < 0.3
    assert hidden[hidden > 0.01].min() > 0.79
    assert np.abs(on_black - hidden * (63, 42, 20)).max() <= 0.9


def test_the_sun_stands_where_the_manifest_says_and_nothing_gets_darker(tmp_path: Path) -> None:
    photograph = photographs()[0]
    assert (struck(photograph, "sun_flare", severity=5) >= photograph).all()
    Image.fromarray(flat(10, 90, 180)).save(tmp_path / "a.png")
    recipe = {"noisecli": 1, "seed": 3, "purpose": "evaluate", "steps": [{"op": "sun_flare", "size": 0.05}]}
    done = augment(tmp_path / "a.png", recipe, tmp_path / "out.png", workers=1)
    with Image.open(done.output) as after:
        light = np.asarray(after).astype(int).sum(axis=2)
    brightest = np.argwhere(light == light.max()).mean(axis=0) + 0.5
    assert brightest == pytest.approx(
        np.multiply(done.manifest.outputs[0].drawn["sun_flare"]["sun"], (90, 180)), abs=1.5
    )


@pytest.mark.parametrize("op", ["frost", "spatter", "sun_flare"])
def test_grey_is_the_grey_of_the_colours(op: str) -> None:
    grey = photographs()[1][:100, :140, :1]
    alone, coloured = (struck(picture, op).astype(float) for picture in (grey, grey.repeat(3, axis=2)))
    whole = (coloured < 255).all(axis=2)
    assert np.abs(coloured @ (0.299, 0.587, 0.114) - alone.reshape(100, 140))[whole].max() <= 1


@pytest.mark.parametrize("op", OPS)
def test_16_bits_hold_the_same_picture_as_8(op: str) -> None:
    grey = photographs()[2][:100, :140, 1]
    fine = struck(grey.astype(np.uint16) * 257, op) / 257
    rounded = 0.5 + 0.5 * 0.78 if op == "rain" else 0.5  # the blurred scene is rounded, dimmed, and rounded again
    assert np.abs(fine - struck(grey, op)).max() <= rounded + 0.01
