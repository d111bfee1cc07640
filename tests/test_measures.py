"""Measures of drift, held against scipy's and a plain formula."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.spatial import distance

from noisecli.compare import images, measures
from tests.record_ssim import SHAPES, pictures

whole = st.integers(-5, 5).map(float)  # ties
numbers = st.lists(whole | st.floats(-1e6, 1e6), max_size=60).map(lambda values: np.sort(np.array(values, float)))
histograms = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*[arrays.arrays(np.int64, size, elements=st.integers(0, 50))] * 2)
)


@given(numbers, numbers)
def test_distances_of_numbers_are_those_of_scipy(clean, noisy):
    ks, emd = measures.kolmogorov_smirnov(clean, noisy), measures.wasserstein(clean, noisy)
    if not len(clean) or not len(noisy):
        assert ks is emd is None
        return
    with warnings.catch_warnings(action="ignore"):  # about its p-value
        assert math.isclose(ks, stats.ks_2samp(clean, noisy).statistic, abs_tol=1e-9)
    assert math.isclose(emd, stats.wasserstein_distance(clean, noisy), rel_tol=1e-9, abs_tol=1e-9)


def test_the_widest_range_that_does_not_move():
    ends = np.array([-1.7e308, 1.7e308])
    assert measures.wasserstein(ends, ends) == 0


@given(histograms)
def test_distances_of_histograms(sides):
    clean, noisy = sides
    if not clean.sum() or not noisy.sum():
        assert measures.psi(*sides) is measures.jensen_shannon(*sides) is None
        return
    p, q = ([count / side.sum() or 1e-4 for count in side.tolist()] for side in sides)
    plain = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert math.isclose(measures.psi(clean, noisy), plain, rel_tol=1e-9, abs_tol=1e-9)
    js = distance.jensenshannon(clean, noisy, base=2)
    # Near equality the square root turns rounding errors of 1e-16 into 1e-8, in scipy as here.
    assert math.isclose(measures.jensen_shannon(clean, noisy) ** 2, np.nan_to_num(js) ** 2, abs_tol=1e-9)


@given(numbers.filter(len), numbers)
def test_deciles_hold_every_number_and_about_a_tenth_of_the_clean_ones(clean, noisy):
    first, second = measures.decile_counts(clean, noisy)
    assert (first.sum(), second.sum(), len(first)) == (len(clean), len(noisy), len(second))
    edges = len(first) - 1
    assert edges == len({clean[math.ceil(i * len(clean) / 10) - 1] for i in range(1, 10)})
    assert not len(np.unique(clean)) == len(clean) >= 10 or first.max() <= len(clean) / 10 + 1


def test_bins_end_with_their_upper_bound():
    clean = np.arange(10.0)
    first, second = measures.decile_counts(clean, np.array([0.0, 0.5, 9.0, 100.0]))
    assert first.tolist() == [1] * 10
    assert second.tolist() == [1, 1, *[0] * 7, 2]


@pytest.mark.parametrize("name", SHAPES)
def test_images_are_measured_as_by_scikit_image(name):
    recorded = json.loads(Path(__file__).with_name("ssim.json").read_text(encoding="utf-8"))[name]
    clean, noisy = pictures(name)
    assert math.isclose(images.ssim(clean, noisy), recorded["ssim"], abs_tol=1e-3)
    assert math.isclose(images.psnr(clean, noisy), recorded["psnr"], abs_tol=1e-3)
    assert (images.ssim(clean, clean), images.psnr(noisy, noisy)) == (pytest.approx(1), math.inf)


def test_images_are_measured_in_bands_as_whole(monkeypatch):
    pair = pictures("colour")
    whole = images.ssim(*pair), images.psnr(*pair)
    monkeypatch.setattr(images, "BAND", 500)
    assert (images.ssim(*pair), images.psnr(*pair)) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (10, 10)])
def test_images_smaller_than_the_window(size):
    clean = pictures("colour")[0][: size[0], : size[1]]
    assert images.ssim(clean, clean) == pytest.approx(1)
    assert images.ssim(clean, 255 - clean) < 0.9
