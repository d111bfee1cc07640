"""Geometry: where pixels come from, measured on ramps, whose levels tell the place."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

import noisecli
from noisecli.pixels.chance import bits16
from noisecli.pixels.fields import smooth_noise
from noisecli.run import augment
from noisecli.streams import Stream

pytestmark = pytest.mark.filterwarnings("ignore:.*came out unchanged")

STEP = 100
"""Levels from one row or column of a ramp to the next: places are told to 1/100 px."""


def recipe(op: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    step = {"op": op, "rate": 1, **settings}
    return {"noisecli": 1, "seed": seed, "target": "images", "purpose": "evaluate", "steps": [step]}


def moved(op: str, height: int, width: int, seed: int = 1, **settings: Any) -> NDArray[np.float64]:
    """From which row and column each pixel comes, (2, height, width)."""
    ramps = np.indices((height, width)).astype(np.uint16) * np.uint16(STEP)
    return np.array([noisecli.corrupt(ramp, recipe(op, seed, settings)) / STEP for ramp in ramps])


@pytest.mark.parametrize(("height", "width"), [(40, 60), (1, 1), (7, 3)])
def test_a_shift_moves_every_pixel_alike(height: int, width: int) -> None:
    offsets = set()
    for seed in range(60):
        rows, columns = moved("pixel_shift", height, width, seed, most=2)
        down = {int(row - at) for at, row in enumerate(rows[:, 0]) if 2 <= at < height - 2}
        right = {int(column - at) for at, column in enumerate(columns[0]) if 2 <= at < width - 2}
        assert len(down) <= 1
        assert len(right) <= 1
        offsets |= {(a, b) for a in down for b in right}
        if height == 40:  # at the border, what comes in is the mirror image
            pixels = np.indices((height, width)).astype(float)
            (a,), (b,) = down, right
            inner = np.pad(pixels, ((0, 0), (2, 2), (2, 2)), "symmetric")[:, 2 + a :, 2 + b :][:, :height, :width]
            assert np.array_equal(inner, np.array([rows, columns]))
    assert height != 40 or len(offsets) > 20, "of 25"


def test_displacements_have_the_standard_deviation_of_smoothed_noise() -> None:
    alpha, sigma, size = 20, 3, 500
    places = moved("elastic", size, size, alpha=alpha, sigma=sigma, affine=0)
    away = (places - np.indices((size, size)))[:, 20:-20, 20:-20]
    # A Gaussian leaves 1 / (4 pi sigma**2) of the variance of white noise, which is 1/3.
    expected = alpha / (np.sqrt(12 * np.pi) * sigma)
    assert np.abs(away.std(axis=(1, 2)) / expected - 1).max() < 0.05
    assert np.abs(np.corrcoef(away.reshape(2, -1))[0, 1]) < 0.1


@pytest.mark.parametrize(("sigma", "most"), [(0, 1e-6), (2.44, 1e-5), (19.52, 0.05), (170.8, 0.05)])
@pytest.mark.parametrize("shape", [(224, 224), (150, 240)])
def test_smooth_noise_is_that_of_scipy(shape: tuple[int, int], sigma: float, most: float) -> None:
    def generator() -> np.random.Generator:
        return Stream(1, 1, "step", "").generator("value", "", 0)

    white = (bits16(generator(), shape) + 0.5) / 2**15 - 1
    expected = gaussian_filter(white, sigma, mode="reflect", truncate=3)
    rows = smooth_noise(generator(), *shape, sigma)
    field = np.vstack([rows(slice(0, 70)), rows(slice(70, shape[0]))])
    assert np.sqrt(((field - expected) ** 2).mean() / (expected**2).mean()) < most


def test_the_affine_map_of_elastic_moves_three_points_by_what_was_drawn(tmp_path: Any) -> None:
    size, affine = 240, 12
    places = moved("elastic", size, size, alpha=0, affine=affine)
    Image.fromarray(np.zeros((size, size), np.uint8)).save(tmp_path / "a.png")
    done = augment(tmp_path / "a.png", recipe("elastic", 1, {"alpha": 0, "affine": affine}), tmp_path / "b.png")
    drawn = np.array(done.manifest.outputs[0].drawn["elastic"]["corners"])
    assert (np.abs(drawn) <= 1).all()
    points = [(200, 200), (40, 200), (40, 40)]  # a third of the side from the middle
    for (row, column), corner in zip(points, drawn, strict=True):
        assert np.abs(places[:, row, column] - (row, column) - corner * affine).max() < 0.02
    assert np.abs(np.diff(places[:, 40:-40, 40:-40], n=2, axis=2)).max() < 0.05, "straight lines stay straight"


def test_elastic_sees_the_mirror_image_beyond_the_border() -> None:
    size = 120
    places = moved("elastic", size, size, seed=2, alpha=0, affine=12)
    down, right = np.indices((size, size))
    terms = np.stack([np.ones_like(down), down, right], axis=-1)
    outside = 0
    for seen in places:
        weights = np.linalg.lstsq(terms[30:-30, 30:-30].reshape(-1, 3), seen[30:-30, 30:-30].reshape(-1), rcond=None)[0]
        place = terms @ weights
        for far, mirrored in ((place < -2, -1 - place), (place > size + 1, 2 * size - 1 - place)):
            outside += far.sum()
            assert not far.any() or np.abs(seen - mirrored)[far].max() < 0.1
    assert outside > 200


def test_places_far_outside_take_no_more_memory() -> None:
    """A row has no height, so its affine map is steep: places are millions of px away."""
    row = np.zeros((1, 20_000), np.uint8)
    tracemalloc.start()
    try:
        noisecli.corrupt(row, recipe("elastic", 1, {"alpha": 0, "affine": 1000}))
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_perspective_fetches_the_corners_from_where_it_should() -> None:
    height, width, amount = 101, 201, 0.2
    ways = set()
    for seed in range(12):
        places = moved("perspective", height, width, seed, amount=amount) / np.reshape(
            [height - 1, width - 1], (2, 1, 1)
        )
        corners = places[:, [0, 0, -1, -1], [0, -1, -1, 0]]  # clockwise from the upper left
        further_in = np.abs(corners - [[0, 0, 1, 1], [0, 1, 1, 0]])
        assert further_in.max() <= amount + 1e-3
        sides = [further_in[0, :2], further_in[1, 1:3], further_in[0, 2:], further_in[1, [0, 3]]]
        assert [min(side) for side in sides] == [0, 0, 0, 0]
        assert min(max(side) for side in sides) > 0
        ways |= {(i, int(np.argmax(side))) for i, side in enumerate(sides)}
        check_projection(places, corners)
    assert len(ways) == 8


def check_projection(places: NDArray[np.float64], corners: NDArray[np.float64]) -> None:
    """Where the diagonals meet in the picture is where they meet in the result: a projection keeps straight lines."""
    first, second, third, fourth = corners.T
    share = np.linalg.solve(np.array([third - first, second - fourth]).T, second - first)[0]
    height, width = places.shape[1:]
    middle = places[:, height // 2, width // 2]
    assert np.abs(middle - (first + share * (third - first))).max() < 2e-3
