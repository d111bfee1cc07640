"""Light and colour: exact results on small pictures, worked out in other ways."""

import colorsys
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noisecli

pytestmark = pytest.mark.filterwarnings("ignore:.*came out unchanged")

COLOURS = np.random.default_rng(7).integers(0, 256, (24, 32, 3), dtype=np.uint8)
"""Of any kind, and a corner of greys."""
COLOURS[:5, :5] = np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5, 1)


def strike(op: str, pixels: NDArray[Any], seed: int = 1, **settings: Any) -> NDArray[Any]:
    step = {"op": op, "rate": 1, **settings}
    recipe = {"noisecli": 1, "seed": seed, "target": "images", "purpose": "evaluate", "steps": [step]}
    return noisecli.corrupt(pixels, recipe)


def wide(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The same picture in 16 bits."""
    return pixels * np.uint16(257)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("op", "settings"),
    [
        ("brightness", {"amount": 0}),
        ("contrast", {"factor": 1}),
        ("gamma", {"gamma": 1}),
        ("vignette", {"amount": 0}),
        ("shadow", {"amount": 0}),
        ("saturate", {"factor": 1}),
        ("hue", {"degrees": 0}),
        ("hue", {"degrees": 360}),
        ("hue", {"degrees": -360}),
        ("channel_dropout", {"channels": 0}),
        ("chromatic_aberration", {"amount": 0}),
        ("elastic", {"alpha": 0, "affine": 0}),
        ("pixel_shift", {"most": 0}),
        ("perspective", {"amount": 0}),
    ],
)
def test_at_strength_0_pictures_stay_as_they_are(op: str, settings: dict[str, Any], bits: int) -> None:
    pixels = COLOURS if bits == 8 else wide(COLOURS)
    assert np.array_equal(strike(op, pixels, **settings), pixels)


ON_GREY = ["contrast", "gamma", "posterize", "vignette", "shadow", "elastic", "pixel_shift", "perspective"]


@pytest.mark.parametrize("op", ON_GREY)
def test_grey_in_three_channels_is_the_grey_of_one(op: str) -> None:
    grey = COLOURS[..., 0]
    one, three = strike(op, grey, severity=4), strike(op, np.repeat(grey[..., np.newaxis], 3, axis=2), severity=4)
    assert not np.array_equal(one, grey)
    assert (three == one[..., np.newaxis]).all()


@pytest.mark.parametrize("op", [*ON_GREY, "low_light", "saturate", "hue", "chromatic_aberration"])
def test_16_bits_make_the_same_picture(op: str) -> None:
    narrow, deep = strike(op, COLOURS, severity=3), strike(op, wide(COLOURS), severity=3)
    # Half a level of 8 bits by rounding, and little more by what floats of 32 bits lose.
    assert np.abs(deep / 257 - narrow).max() < 0.501


@pytest.mark.parametrize("op", ["saturate", "hue", "channel_dropout", "channel_shuffle", "chromatic_aberration"])
def test_ops_on_colour_leave_pictures_of_one_channel(op: str) -> None:
    assert np.array_equal(strike(op, COLOURS[..., 1]), COLOURS[..., 1])


def test_black_turns_grey_when_it_gets_brighter() -> None:
    black = np.zeros((4, 5, 3), np.uint8)
    assert (strike("brightness", black, amount=0.2) == 51).all()


def test_contrast_keeps_the_mean_of_each_channel() -> None:
    pixels = np.array([[[10, 0, 255], [30, 0, 0]], [[20, 8, 0], [40, 0, 1]]], np.uint8)  # means 25, 2, 64
    halved = [[[18, 1, 160], [28, 1, 32]], [[22, 5, 32], [32, 1, 32]]]  # halves go to even levels: 17.5 to 18
    assert np.array_equal(strike("contrast", pixels, factor=0.5), halved)
    assert (strike("contrast", pixels, factor=0) == [25, 2, 64]).all()


@pytest.mark.parametrize("gamma", [0.4, 2.2, 7])
def test_gamma_is_a_power_at_every_level(gamma: float) -> None:
    for pixels in (np.arange(256, dtype=np.uint8).reshape(16, 16), np.arange(65536, dtype=np.uint16).reshape(256, 256)):
        white = pixels.max()
        assert np.abs(strike("gamma", pixels, gamma=gamma) - white * (pixels / white) ** gamma).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterized_levels_are_in_equal_steps_from_black_to_white(bits: int) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    after = strike("posterize", pixels, bits=bits)
    levels, counts = np.unique(after, return_counts=True)
    assert levels.tolist() == [round(i * 255 / (2**bits - 1)) for i in range(2**bits)]
    assert (counts == 256 // 2**bits).all()
    assert (np.diff(after.ravel().astype(int)) >= 0).all()


def test_low_light_has_the_mean_and_the_noise_of_its_photons() -> None:
    light, photons, level = 0.2, 400, 180
    after = strike("low_light", np.full((300, 300), level, np.uint8), light=light, photons=photons).astype(float)
    counts = light * photons * (level / 255) ** 2
    squares = photons * (after / 255) ** 2  # photons again
    deviation = np.sqrt(counts + 1)  # of the photons and of the reading
    assert abs(squares.mean() - counts) < 4 * deviation / 300
    assert abs(squares.std() / deviation - 1) < 0.02


def test_a_vignette_darkens_with_the_distance_from_the_centre() -> None:
    grey = np.full((401, 601), 200, np.uint8)
    after = strike("vignette", grey, amount=0.75)
    assert after[200, 300] == 200
    assert (after[[0, 0, -1, -1], [0, -1, 0, -1]] == 50).all()
    assert (np.diff(after[200, 300:].astype(int)) <= 0).all()
    # At half the way to a corner the square of the tangent is a quarter of 1 / sqrt(0.25) - 1.
    assert after[100, 150] == round(200 / 1.25**2)


def test_a_shadow_lies_as_the_truth_tells(tmp_path: Path) -> None:
    Image.fromarray(np.full((90, 140), 60_000, np.uint16)).save(tmp_path / "a.png")
    recipe = {"noisecli": 1, "seed": 1, "purpose": "evaluate", "steps": [{"op": "shadow", "amount": 0.6}]}
    done = noisecli.augment(tmp_path / "a.png", recipe, tmp_path / "b.png", workers=1)
    drawn = done.manifest.outputs[0].drawn["shadow"]
    rows, columns = np.mgrid[:90, :140] - np.reshape(np.multiply(drawn["centre"], (90, 140)), (2, 1, 1))
    depth = np.min(
        [
            reach * 90 - rows * np.sin(np.radians(angle)) - columns * np.cos(np.radians(angle))
            for angle, reach in zip(drawn["angles"], drawn["reaches"], strict=True)
        ],
        axis=0,
    )
    share = np.clip(depth / (0.08 * 90) + 0.5, 0, 1)
    with Image.open(done.output) as after:
        assert np.abs(np.asarray(after) - 60_000 * (1 - 0.6 * share**2 * (3 - 2 * share))).max() <= 0.51


def test_a_shadow_has_the_same_shape_at_every_strength() -> None:
    grey = np.full((120, 160), 200, np.uint8)
    shapes = []
    for seed in range(8):
        weak, strong = ((200.0 - strike("shadow", grey, seed, amount=amount)) / amount for amount in (0.3, 0.9))
        assert (weak.min(), weak.max()) == (strong.min(), strong.max()) == pytest.approx((0, 200))
        assert np.abs(weak - strong).max() < 0.5 / 0.3 + 0.5 / 0.9 + 1e-9  # by rounding
        assert ((strong > 5) & (strong < 195)).mean() > 0.01, "the edge is hard"
        shapes.append(strong > 100)
    assert 0.1 < np.mean(shapes) < 0.5
    assert len({shape.tobytes() for shape in shapes}) == 8


def test_low_light_leaves_black_to_what_reading_the_sensor_adds() -> None:
    black = np.zeros((300, 300), np.uint16)
    photons = (strike("low_light", black, photons=500) / 65535) ** 2 * 500
    for reading in (0.25, 1, 2):  # of a standard deviation of one photon, cut off at none
        expected = 1 - NormalDist().cdf(reading)
        assert abs((photons > reading).mean() - expected) < 4 * (expected / photons.size) ** 0.5


def hsv(pixels: NDArray[np.uint8], change: Any) -> NDArray[np.float64]:
    """What the standard library makes of every pixel: a change of hue and saturation."""
    changed = []
    for pixel in pixels.reshape(-1, 3):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        changed.append(colorsys.hsv_to_rgb(*change(hue, saturation), value))
    return 255 * np.array(changed).reshape(pixels.shape)


@pytest.mark.parametrize(("factor", "offset"), [(0, 0), (0.3, 0), (2, 0), (5, 0.1), (20, 0.2), (1, -0.4)])
def test_saturate_agrees_with_colorsys(factor: float, offset: float) -> None:
    expected = hsv(COLOURS, lambda hue, saturation: (hue, min(max(factor * saturation + offset, 0), 1)))
    after = strike("saturate", COLOURS, factor=factor, offset=offset)
    assert np.abs(after - expected).max() < 0.501
    greys = after[:5, :5].astype(int)
    assert (greys[..., 0] == COLOURS[:5, :5, 0]).all()
    assert (greys[1:, :, 1] < greys[1:, :, 0]).all() == (offset > 0), "grey turns red where there is an offset"


@pytest.mark.parametrize("degrees", [7, 60, 180, 251.5, -30])
def test_hue_agrees_with_colorsys(degrees: float) -> None:
    expected = hsv(COLOURS, lambda hue, saturation: ((hue + degrees / 360) % 1, saturation))
    assert np.abs(strike("hue", COLOURS, degrees=degrees) - expected).max() < 0.501


def test_a_third_of_a_turn_moves_every_channel_on() -> None:
    assert np.array_equal(strike("hue", COLOURS, degrees=120), np.roll(COLOURS, 1, axis=2))


def test_channels_are_shuffled_into_each_of_the_five_other_orders() -> None:
    seen = set()
    for seed in range(60):
        after = strike("channel_shuffle", COLOURS, seed)
        order = [int((after[..., [i]] == COLOURS).all(axis=(0, 1)).argmax()) for i in range(3)]
        assert np.array_equal(after, COLOURS[..., order])
        seen.add(tuple(order))
    assert len(seen) == 5
    assert (0, 1, 2) not in seen


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_so_many_channels_are_lost(channels: int) -> None:
    seen = set()
    for seed in range(30):
        after = strike("channel_dropout", COLOURS, seed, channels=channels)
        lost = (after == 0).all(axis=(0, 1))
        assert lost.sum() == channels
        assert np.array_equal(after[..., ~lost], COLOURS[..., ~lost])
        seen.add(tuple(lost))
    assert len(seen) == (1 if channels == 3 else 3)


def test_red_is_larger_and_blue_smaller_about_the_centre() -> None:
    ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    after = strike("chromatic_aberration", np.repeat(ramp, 30, axis=0), amount=0.1)
    inner = np.arange(8, 92)  # whose blue comes from within the picture
    for channel, scale in enumerate((1.1, 1, 0.9)):
        expected = 2 * (49.5 + (inner - 49.5) / scale)
        assert np.abs(after[:, inner, channel] - expected).max() <= 0.51
