"""Chance keeps its word: rates, distributions and independence, on 10^5 cells and more.

Seeds are fixed, so the tests are certain; the bounds are those of theory. A count is binomial, so it lies within
4 sd = 4 sqrt(n p (1 - p)) of n p in all but 6 of 100,000 trials. Correlations of n independent pairs have sd 1/sqrt(n).
Tests of fit fail below a probability of 10^-4.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from golden import OPS, PIXEL_OPS, changed, strike
from PIL import Image
from scipy import stats

from noisecli.corruptions.image.noise import ImpulseNoise
from noisecli.corruptions.table.category import CategorySwap
from noisecli.corruptions.table.label import LabelFlip
from noisecli.corruptions.table.missing import Missing
from noisecli.corruptions.table.number import GaussianNoise, LaplaceNoise
from noisecli.corruptions.table.rows import Duplicate
from noisecli.corruptions.table.typo import Typo
from noisecli.engine import ImageEngine
from noisecli.plan import Plan, StepPlan
from noisecli.quota import share
from noisecli.streams import BLOCK, Stream

N = 12 * BLOCK
RATES = [0.001, 1 / 256, 0.01, 0.1, 0.5, 0.999, 1]
UNLIKELY = 1e-4
SAMPLE = Path(__file__).parents[1] / "sample_data/images/train/bricks/bricks_01.png"

NUMBERS = pa.array((np.arange(N) * 7919 % 20_011) / 7)
ZEROS = pa.array(np.zeros(N))
VISIBLE = {name: op for name, op in PIXEL_OPS.items() if op.severities}
del VISIBLE["images-elastic"]  # published as a turn of the whole at 1 and as waves at 5, which cost less


def assert_binomial(count, n, rate):
    assert abs(count - n * rate) <= 4 * np.sqrt(n * rate * (1 - rate))


def noise(op, cells=ZEROS, **address):
    """What an op adds to each cell."""
    return strike(op, cells, **address).cells.to_numpy() - cells.to_numpy()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", [1, 2])
def test_rate_of_cells(rate, seed):
    done = strike(Missing(), NUMBERS, rate, seed=seed)
    assert done.counts.eligible == N
    assert done.counts.struck == done.counts.changed == done.cells.null_count
    assert_binomial(done.counts.struck, N, rate)


@pytest.mark.parametrize("rate", RATES)
def test_rate_of_words(rate):
    cells = pa.array(["one two three four"] * (N // 4))
    done = strike(Typo(), cells, rate)
    assert done.counts.eligible == N
    assert_binomial(done.counts.struck, N, rate)
    words = np.array([text.split(" ") for text in done.cells.to_pylist()]) != ["one", "two", "three", "four"]
    assert np.count_nonzero(words) == done.counts.struck
    for place in words.T:
        assert_binomial(np.count_nonzero(place), N // 4, rate)


@pytest.mark.parametrize("rate", RATES)
def test_rate_of_rows(rate):
    done = strike(Duplicate(), NUMBERS, rate)
    assert len(done.order) == N + done.counts.struck
    assert_binomial(done.counts.struck, N, rate)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_rate_of_images(rate):
    engine = ImageEngine(Plan(1, (StepPlan("step", ImpulseNoise(), rate),)), 1)
    assert_binomial(sum(bool(engine.strikes(f"train/{i}.png")) for i in range(5_000)), 5_000, rate)


def test_strikes_fall_evenly_over_the_slots_of_a_block():
    struck = np.flatnonzero(changed(NUMBERS, strike(Missing(), NUMBERS, 0.1).cells)) % BLOCK
    for place in (struck % 8, struck % 256, struck // 64):
        assert stats.chisquare(np.bincount(place)).pvalue > UNLIKELY


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_gaussian_noise_is_normal(sigma):
    sd = np.std(NUMBERS.to_numpy())
    drawn = noise(GaussianNoise(sigma=sigma), NUMBERS) / sd
    assert stats.kstest(drawn, "norm", (0, sigma)).pvalue > UNLIKELY
    assert abs(np.mean(drawn)) <= 4 * sigma / np.sqrt(N)
    assert abs(np.std(drawn) - sigma) <= 4 * sigma / np.sqrt(2 * N)


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_laplace_noise_is_laplacian(sigma):
    """sigma is the standard deviation: the scale of the distribution is sigma / sqrt(2), its kurtosis 6."""
    sd = np.std(NUMBERS.to_numpy())
    drawn = noise(LaplaceNoise(sigma=sigma), NUMBERS) / sd
    assert stats.kstest(drawn, "laplace", (0, sigma / np.sqrt(2))).pvalue > UNLIKELY
    assert abs(np.mean(drawn)) <= 4 * sigma / np.sqrt(N)
    assert abs(np.std(drawn) - sigma) <= 4 * sigma * np.sqrt((6 - 1) / (4 * N))


@pytest.mark.parametrize("op", [GaussianNoise, LaplaceNoise])
def test_a_cells_noise_scales_with_sigma_and_with_the_unit(op):
    once, thrice = noise(op(sigma=1, unit="absolute")), noise(op(sigma=3, unit="absolute"))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-12)
    values = NUMBERS.to_numpy()
    scales = {"sd": np.std(values), "range": np.ptp(values), "value": np.abs(values)}
    for unit, scale in scales.items():
        np.testing.assert_allclose(noise(op(sigma=0.1, unit=unit), NUMBERS), 0.1 * scale * once, atol=1e-9)


@pytest.mark.parametrize("op", [GaussianNoise, LaplaceNoise])
def test_columns_steps_copies_and_seeds_are_independent(op):
    absolute = op(sigma=1, unit="absolute")
    addresses = [{}, {"name": "y"}, {"step": "other"}, {"copy": 2}, {"seed": 2}]
    drawn = [noise(absolute, **address) for address in addresses]
    drawn.append(np.roll(drawn[0], 1))
    drawn.append(np.roll(drawn[0], BLOCK))
    masks = [changed(ZEROS, strike(Missing(), ZEROS, 0.5, **address).cells) for address in addresses]
    for sample in (drawn, masks, [*map(np.abs, drawn)], [drawn[0], masks[0]]):
        for a, b in combinations(sample, 2):
            assert abs(np.corrcoef(a, b)[0, 1]) <= 4 / np.sqrt(N)


@pytest.mark.parametrize("op", [CategorySwap(), LabelFlip()])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_wrong_category_is_any_other_one_alike(op, classes):
    codes = np.arange(N) * 7919 % 20_011 % classes
    done = np.array(strike(op, pa.array([f"c{code}" for code in codes])).cells.to_pylist())
    pairs = np.zeros((classes, classes), int)
    np.add.at(pairs, (codes, [int(text[1:]) for text in done]), 1)
    assert (np.diag(pairs) == 0).all()
    others = pairs[~np.eye(classes, dtype=bool)].reshape(classes, classes - 1)
    for counts in others if classes > 2 else ():
        assert stats.chisquare(counts).pvalue > UNLIKELY


def test_pair_flips_go_to_the_next_class():
    cells = pa.array(["a", "b", "c"] * 1000)
    assert strike(LabelFlip(kind="pair"), cells).cells.to_pylist() == ["b", "c", "a"] * 1000


@pytest.mark.parametrize("op", [CategorySwap(), LabelFlip()])
def test_integers_and_booleans_are_categories_too(op):
    done = strike(op, pa.array([3, 7] * 500, pa.int16()))
    assert done.cells.to_pylist() == [7, 3] * 500
    assert strike(op, pa.array([True, False] * 500)).cells.to_pylist() == [False, True] * 500


def class_sizes(shape, classes, rows):
    """How many rows each class has; every class has some."""
    weights = {"equal": np.ones(classes), "linear": np.arange(1, classes + 1), "steep": 0.97 ** np.arange(classes)}[
        shape
    ]
    return 1 + stats.multinomial.rvs(rows - classes, weights / weights.sum(), random_state=7)


@pytest.mark.parametrize("shape", ["equal", "linear", "steep"])
@pytest.mark.parametrize("classes", [2, 10, 120])
@pytest.mark.parametrize("rows", [500, 2_000, 20_000])
def test_label_flips_are_exact_in_all_and_within_one_in_each_class(shape, classes, rows):
    sizes = class_sizes(shape, classes, rows)
    order = np.argsort(np.arange(rows) * 7919 % 20_011, kind="stable")
    labels = np.repeat(np.arange(classes), sizes)[order]
    cells = pa.array([f"class {label:03}" for label in labels])
    before = np.zeros(rows, bool)
    for rate in (0.05, 0.1, 0.1375, 0.2, 0.4, 0.5):
        done = strike(LabelFlip(), cells, rate)
        flipped = changed(cells, done.cells)
        assert flipped.sum() == done.counts.struck == share(rate, rows)
        in_class = np.bincount(labels[flipped], minlength=classes)
        error = np.abs(in_class - rate * sizes)
        assert error.max() < 1
        assert not (before & ~flipped).any(), "what a lower rate flips, a higher one flips too"
        before = flipped


def test_typos_come_in_the_asked_proportions():
    """Every letter of the word has a key, two neighbours and no equal beside it: all four slips can act on it."""
    weights = {"substitute": 1.0, "delete": 2.0, "insert": 3.0, "transpose": 4.0}
    cells = pa.array(["planet"] * N)
    done = strike(Typo(weights=weights), cells)
    counts = dict.fromkeys(weights, 0)
    for word in done.cells.to_pylist():
        same = "transpose" if sorted(word) == sorted("planet") else "substitute"
        counts[{5: "delete", 7: "insert"}.get(len(word), same)] += 1
    assert stats.chisquare(list(counts.values()), [N * w / 10 for w in weights.values()]).pvalue > UNLIKELY


def test_letters_are_left_out_evenly():
    only_delete = {"substitute": 0, "insert": 0, "transpose": 0}
    done = strike(Typo(weights=only_delete), pa.array(["planet"] * N)).cells.to_pylist()
    gone = [sum(map(ord, "planet")) - sum(map(ord, word)) for word in done]
    assert stats.chisquare(np.unique(gone, return_counts=True)[1]).pvalue > UNLIKELY


@pytest.mark.parametrize("amount", [0.01, 0.09, 0.5, 1])
def test_impulse_noise_hits_its_share_half_white_half_black(amount):
    pixels = np.full((400, 300, 3), 128, np.uint8)
    op = ImpulseNoise(amount=amount)
    noisy = op.apply(pixels, {}, Stream(1, 1, "step", "a.png").generator("value", "", 0))
    assert_binomial(np.count_nonzero(noisy != 128), pixels.size, amount)
    assert_binomial(np.count_nonzero(noisy == 255), pixels.size, amount / 2)
    assert_binomial(np.count_nonzero(noisy == 0), pixels.size, amount / 2)


def test_image_noise_is_normal():
    pixels = np.full((400, 300, 3), 128, np.uint8)
    op = OPS["images-gaussian_noise"](sigma=0.08)
    noisy = op.strike(pixels, Stream(1, 1, "step", "a.png").generator("value", "", 0))[0].astype(float) - 128
    edges = np.arange(-70.5, 71)
    counts = np.histogram(noisy, edges)[0]
    expected = np.diff(stats.norm(0, 0.08 * 255).cdf(edges)) * noisy.size
    scaled = expected * counts.sum() / expected.sum()
    assert stats.chisquare(counts, scaled).pvalue > UNLIKELY
    assert abs(noisy.mean()) <= 4 * 0.08 * 255 / np.sqrt(noisy.size)


@pytest.mark.parametrize("op", VISIBLE.values(), ids=VISIBLE)
@pytest.mark.parametrize("side", [32, 64, 100])
def test_small_images_lose_more_at_the_strongest_severity_than_at_the_weakest(op, side):
    """Peak signal-to-noise ratio, at equal draws, of a sample image (bricks: edges, shades and colour).

    That each severity costs more than the one before is shown at 224 px, in tests/test_published.py.
    """
    with Image.open(SAMPLE) as image:
        pixels = np.asarray(image.convert("RGB").resize((side, side)))
    quality = []
    for severity in (1, 5):
        preset = op.preset_for(severity, side)
        planned = StepPlan("step", op.model_validate({k: v for k, v in preset.items() if k != "rate"}), 1.0)
        engine = ImageEngine(Plan(1, (planned,)), 1)
        done = engine("a.png", pixels, engine.strikes("a.png")).result.astype(float)
        quality.append(-10 * np.log10(np.mean((done - pixels) ** 2) / 255**2))
    assert quality[0] > quality[1]
