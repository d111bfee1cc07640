"""Noise and faults of numbers: distributions, positions, rates and conversions.

Bounds as in `test_statistics`: seeds are fixed, counts lie within 4 sd, and tests of fit fail below 10^-4.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from golden import changed, strike
from scipy import stats

import noisecli
from noisecli.corruption import NumberCorruption
from noisecli.corruptions.table.entry import DecimalSlip, DigitError, SignFlip
from noisecli.corruptions.table.instrument import Clip, Offset, Quantize, Scale
from noisecli.corruptions.table.number import (
    CauchyNoise,
    ExponentialNoise,
    GammaNoise,
    GaussianNoise,
    MultiplicativeNoise,
    PoissonNoise,
    StudentTNoise,
    UniformNoise,
)
from noisecli.corruptions.table.outlier import Constant, Impulse, Outlier
from noisecli.corruptions.table.unit import UNITS, WrongUnit
from noisecli.elementary import exp
from noisecli.errors import NoiseWarning
from noisecli.streams import BLOCK

N = 12 * BLOCK
UNLIKELY = 1e-4
ZEROS = pa.array(np.zeros(N))
NUMBERS = pa.array((np.arange(N) * 7919 % 20_011 + 1) / 7)
VALUES = NUMBERS.to_numpy()

FAULTS = {
    "scale": Scale(),
    "offset": Offset(),
    "impulse": Impulse(),
    "outlier": Outlier(),
    "constant": Constant(value=-1),
    "decimal_slip": DecimalSlip(),
    "sign_flip": SignFlip(),
    "digit_error": DigitError(),
    "wrong_unit": WrongUnit(from_unit="C", to_unit="F"),
}


def assert_binomial(count, n, rate):
    assert abs(count - n * rate) <= 4 * np.sqrt(n * rate * (1 - rate))


def struck(op, cells=NUMBERS, **address):
    return strike(op, cells, **address).cells.to_numpy()


@pytest.mark.parametrize(
    ("op", "distribution"),
    [
        (UniformNoise(sigma=2, unit="absolute"), stats.uniform(-2 * 3**0.5, 4 * 3**0.5)),
        (ExponentialNoise(sigma=2, unit="absolute"), stats.expon(0, 2)),
        (GammaNoise(sigma=2, unit="absolute", shape=1), stats.expon(0, 2)),
        (GammaNoise(sigma=2, unit="absolute", shape=5), stats.gamma(5, 0, 2 / 5**0.5)),
        (StudentTNoise(scale=2, unit="absolute", df=1.5), stats.t(1.5, 0, 2)),
        (StudentTNoise(scale=2, unit="absolute", df=3), stats.t(3, 0, 2)),
        (StudentTNoise(scale=2, unit="absolute", df=1e6), stats.norm(0, 2)),
        (CauchyNoise(scale=2, unit="absolute"), stats.cauchy(0, 2)),
    ],
    ids=lambda part: repr(part) if isinstance(part, NumberCorruption) else part.dist.name,
)
def test_noise_has_its_distribution(op, distribution):
    drawn = struck(op, ZEROS)
    assert stats.kstest(drawn, distribution.cdf).pvalue > UNLIKELY
    # The far tail, which the test above does not see: one in a thousand.
    assert_binomial(np.count_nonzero(drawn > distribution.isf(0.001)), N, 0.001)


@pytest.mark.parametrize("op", [UniformNoise, ExponentialNoise, GammaNoise])
def test_sigma_is_the_standard_deviation(op):
    drawn = struck(op(sigma=0.5)) - VALUES
    fourth = {UniformNoise: 1.8, ExponentialNoise: 9, GammaNoise: 6}[op]
    assert abs(np.var(drawn) / np.var(VALUES) - 0.25) <= 4 * 0.25 * np.sqrt((fourth - 1) / N)


@pytest.mark.parametrize("snr", [-10, 0, 20])
def test_snr_is_the_ratio_of_variances_in_decibels(snr):
    drawn = struck(GaussianNoise(snr_db=snr)) - VALUES
    share = np.var(drawn) / np.var(VALUES)
    assert abs(share / 10 ** (-snr / 10) - 1) <= 4 * np.sqrt(2 / N)


def test_a_heavy_tail_is_the_gaussian_draw_stretched():
    normal = struck(GaussianNoise(sigma=1, unit="absolute"), ZEROS)
    heavy = struck(StudentTNoise(scale=1, unit="absolute", df=3), ZEROS)
    heavier = struck(CauchyNoise(scale=1, unit="absolute"), ZEROS)
    assert (np.sign(normal) == np.sign(heavier)).all()
    assert (np.abs(normal) <= np.abs(heavy)).all()
    assert (np.abs(heavy) <= np.abs(heavier)).all()


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_multiplicative_noise_is_log_normal_of_median_one(sigma):
    factors = struck(MultiplicativeNoise(sigma=sigma)) / VALUES
    assert stats.kstest(np.log(factors), "norm", (0, sigma)).pvalue > UNLIKELY
    assert_binomial(np.count_nonzero(factors > 1), N, 0.5)


@pytest.mark.parametrize("mean", [0.2, 3, 29.5, 30, 31.5, 400, 1e6])
def test_counts_are_poisson(mean):
    counts = struck(PoissonNoise(), pa.array(np.full(N, float(mean))))
    assert (counts == np.rint(counts)).all()
    assert abs(counts.mean() - mean) <= 4 * np.sqrt(mean / N)
    fourth = 3 + 1 / mean
    assert abs(counts.var() / mean - 1) <= 4 * np.sqrt((fourth - 1) / N)
    edges = np.unique(stats.poisson(mean).ppf(np.linspace(0.001, 0.999, 60)))
    expected = np.diff([0, *stats.poisson(mean).cdf(edges), 1])
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
    assert stats.chisquare(observed, expected * N).pvalue > UNLIKELY


@pytest.mark.parametrize("exposure", [0.1, 10])
def test_exposure_divides_the_variance_of_counts(exposure):
    counts = struck(PoissonNoise(exposure=exposure), pa.array(np.full(N, 50.0)))
    assert abs(counts.mean() - 50) <= 4 * np.sqrt(50 / exposure / N)
    assert abs(counts.var() / (50 / exposure) - 1) <= 4 * np.sqrt((2 + 1 / (50 * exposure)) / N)


def test_no_events_stay_none_and_what_is_no_count_stays_what_it_is():
    assert struck(PoissonNoise(), pa.array([0.0, -3.0] * 500)).tolist() == [0.0, -3.0] * 500


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_faults_strike_their_rate_and_change_what_they_strike(name, rate):
    done = strike(FAULTS[name], pa.array(np.round(VALUES, 2)), rate)
    assert_binomial(done.counts.struck, N, rate)
    same = done.counts.struck - done.counts.changed
    assert same <= (20 if name == "impulse" else 0)  # a few numbers are the minimum or maximum already


def test_an_impulse_is_minimum_or_maximum_alike():
    done = struck(Impulse())
    assert set(done) == {VALUES.min(), VALUES.max()}
    assert_binomial(np.count_nonzero(done == VALUES.max()), N, 0.5)


@pytest.mark.parametrize("k", [1.5, 4])
@pytest.mark.parametrize("kind", ["iqr", "zscore", "extreme"])
def test_outliers_lie_where_their_kind_says(kind, k):
    values = VALUES[:60_000]  # so few that the quartiles are those of all
    q1, q3 = np.quantile(values, [0.25, 0.75])
    low, high, step = {
        "iqr": (q1, q3, q3 - q1),
        "zscore": (values.mean(), values.mean(), values.std()),
        "extreme": (values.min(), values.max(), np.ptp(values)),
    }[kind]
    done = struck(Outlier(kind=kind, k=k), pa.array(values))
    above = done > values.mean()
    assert_binomial(np.count_nonzero(above), len(done), 0.5)
    np.testing.assert_allclose(done[above], high + k * step, rtol=1e-9)
    np.testing.assert_allclose(done[~above], low - k * step, rtol=1e-9)


def test_a_column_without_spread_has_no_outliers():
    cells = pa.array([0.0] * 900 + [7.0] * 100)
    assert struck(Outlier(), cells).tolist() == cells.to_pylist()


@pytest.mark.parametrize(
    ("value", "new"), [(-3.5, -3.5), ("mean", 4.25), ("median", 4.0), ("mode", 2.0)], ids=["number", *"abc"]
)
def test_a_constant_is_a_number_or_a_figure_of_the_column(value, new):
    cells = pa.array([2.0, 2.0, 4.0, 7.0, 7.0, 4.0, 2.0, 6.0] * 50 + [None])
    assert strike(Constant(value=value), cells).cells.to_pylist() == [new] * 400 + [None]


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ("C", "F", [-40.0, 0.0, 37.0, 100.0], [-40.0, 32.0, 98.6, 212.0]),
        ("F", "C", [-40.0, 32.0, 212.0], [-40.0, 0.0, 100.0]),
        ("C", "K", [-273.15, 0.0], [0.0, 273.15]),
        ("kg", "lb", [0.45359237, 1.0], [1.0, 1 / 0.45359237]),
        ("lb", "kg", [1.0, 1000.0], [0.45359237, 453.59237]),
        ("m", "ft", [0.3048, 3.048], [1.0, 10.0]),
        ("km", "mi", [1.609344, 42.195], [1.0, 42.195 / 1.609344]),
        ("mi", "km", [1.0, 26.2], [1.609344, 42.1648128]),
        ("m/s", "km/h", [10.0], [36.0]),
        ("km/h", "m/s", [36.0], [10.0]),
        ("kn", "km/h", [1.0], [1.852]),
        ("min", "h", [90.0], [1.5]),
        ("percent", "fraction", [12.5], [0.125]),
        ("mmHg", "hPa", [1.0], [1.33322387415]),
    ],
)
def test_numbers_in_the_wrong_unit(old, new, before, after):
    done = struck(WrongUnit(from_unit=old, to_unit=new), pa.array(before))
    np.testing.assert_allclose(done, after, rtol=1e-9, atol=1e-12)


def test_units_convert_back_to_what_they_were():
    for old in UNITS:
        for new in (name for name, unit in UNITS.items() if unit.quantity == UNITS[old].quantity and name != old):
            there = pa.array(struck(WrongUnit(from_unit=old, to_unit=new), NUMBERS[:100]))
            back = struck(WrongUnit(from_unit=new, to_unit=old), there)
            np.testing.assert_allclose(back, VALUES[:100], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("places", "after"), [(1, [15.0, -0.3]), (-1, [0.15, -0.003]), (3, [1500.0, -30.0])])
def test_the_decimal_point_slips(places, after):
    assert struck(DecimalSlip(places=places), pa.array([1.5, -0.03])).tolist() == after


DIGITS = pa.array([n / 100 for n in range(10_231, 99_999, 17) if n % 10])


def pairs_of_text(kind, cells=DIGITS):
    done = strike(DigitError(kind=kind), cells)
    return [
        (f"{old:.2f}", f"{new:.2f}") for old, new in zip(cells.to_pylist(), done.cells.to_pylist(), strict=True)
    ], done


def test_one_digit_is_replaced_by_any_other_one_at_any_place():
    texts, done = pairs_of_text("replace", pa.array([123.45] * 50_000))
    assert done.counts.changed == 50_000
    written = [new.zfill(6) for _, new in texts]
    places = [[i for i in range(6) if new[i] != "123.45"[i]] for new in written]
    assert all(len(place) == 1 for place in places)
    sites = [place[0] for place in places]
    steps = [(int(new[at]) - int("123.45"[at])) % 10 for new, at in zip(written, sites, strict=True)]
    assert stats.chisquare(np.unique(sites, return_counts=True)[1]).pvalue > UNLIKELY
    assert stats.chisquare(np.bincount(steps, minlength=10)[1:]).pvalue > UNLIKELY


def test_two_neighbouring_digits_are_transposed():
    texts, done = pairs_of_text("transpose")
    for old, new in texts:
        pairs = [i for i in range(len(old) - 1) if "." not in old[i : i + 2]]
        swapped = {float(old[:i] + old[i + 1] + old[i] + old[i + 2 :]) for i in pairs if old[i] != old[i + 1]}
        assert float(new) in (swapped or {float(old)})
    assert done.counts.changed > 0.95 * len(texts)


@pytest.mark.parametrize(
    ("kind", "number", "possible"),
    [
        ("transpose", 120.5, {210.5, 102.5}),
        ("transpose", 55.5, {55.5}),
        ("transpose", 7.0, {7.0}),
        ("drop", 120.5, {20.5, 10.5, 12.5, 120.0}),
        ("drop", -30.0, {0.0, -3.0}),
        ("drop", 0.05, {0.5, 0.0}),
        ("drop", 7.0, {7.0}),
        ("drop", 0.0, {0.0}),
        ("insert", 0.0, {10.0 * d for d in range(1, 10)}),
        ("insert", 4.0, {10.0 * d + 4 for d in range(1, 10)} | {40.0 + d for d in range(10)}),
        ("insert", -7.0, {-10.0 * d - 7 for d in range(1, 10)} | {-70.0 - d for d in range(10)}),
        ("insert", 0.5, {10.0 * d + 0.5 for d in range(1, 10)} | {round(0.05 + d / 10, 2) for d in range(10)}),
        ("replace", -2.0, {-float(d) for d in range(10) if d != 2}),
    ],
)
def test_slips_of_digits(kind, number, possible):
    assert set(struck(DigitError(kind=kind), pa.array([number] * 2000))) == possible


def test_digits_of_single_precision_are_those_that_are_written():
    done = strike(DigitError(), pa.array([1.1] * 200, pa.float32())).cells
    assert {len(str(np.float32(value))) for value in done.to_pylist()} == {3}


@pytest.mark.parametrize("step", [0.01, 0.1, 0.25, 0.3, 5, 1e9])
def test_quantized_numbers_lie_on_the_grid_nearest_to_where_they_were(step):
    done = struck(Quantize(step=step))
    np.testing.assert_allclose(done / step, np.rint(done / step), atol=1e-9)
    assert (np.abs(done - VALUES) <= step / 2 * (1 + 1e-9)).all()


def test_a_decimal_grid_has_no_stray_digits():
    assert struck(Quantize(step=0.1), pa.array([0.31, 2.26, -7.04])).tolist() == [0.3, 2.3, -7.0]


@pytest.mark.parametrize("digits", [1, 2, 5, 15])
def test_significant_digits(digits):
    values = np.array([123456.789, -0.00123456, 9.99e20, 1e-300, 0.0, 99.96, 1.0, 5e-324, -1.5e308])
    done = struck(Quantize(digits=digits), pa.array(values))
    np.testing.assert_allclose(done[:-2], [float(f"{value:.{digits - 1}e}") for value in values[:-2]], rtol=1e-15)


@pytest.mark.parametrize(("dither", "variance"), [("uniform", None), ("triangular", 0.25)])
def test_dither_makes_the_mean_error_vanish_wherever_a_number_lies(dither, variance):
    """Triangular dither also makes the variance of the error a quarter of a squared step, wherever (Lipshitz 1992)."""
    for at in (0.0, 0.2, 0.5):
        error = struck(Quantize(step=1, dither=dither), pa.array(np.full(N, 7 + at))) - (7 + at)
        assert abs(error.mean()) <= 4 * max(error.std(), 1e-3) / np.sqrt(N)
        if variance:
            assert abs(error.var() / variance - 1) <= 0.02


def test_without_dither_the_error_depends_on_the_number():
    assert (struck(Quantize(step=1), pa.array([7.2] * 10)) == 7).all()


@pytest.mark.parametrize(
    ("bounds", "lower", "upper"),
    [
        ({"upper": 100}, -np.inf, 100),
        ({"lower": 50, "upper": "max"}, 50, np.inf),
        ({"lower": "q1", "upper": "q3"}, *np.quantile(VALUES[:60_000], [0.25, 0.75])),
        ({"upper": "median"}, -np.inf, np.quantile(VALUES[:60_000], 0.5)),
    ],
    ids=str,
)
def test_numbers_are_clipped_at_bounds_or_figures_of_the_column(bounds, lower, upper):
    done = struck(Clip(**bounds), NUMBERS[:60_000])
    np.testing.assert_allclose(done, np.clip(VALUES[:60_000], lower, upper), rtol=1e-12)


def test_scale_and_offset():
    assert struck(Scale(factor=2.5), pa.array([2.0, -4.0])).tolist() == [5.0, -10.0]
    assert struck(Offset(amount=-1, unit="absolute"), pa.array([2.0, -4.0])).tolist() == [1.0, -5.0]
    np.testing.assert_allclose(struck(Offset(amount=2)) - VALUES, 2 * VALUES.std(), rtol=1e-9)


def test_what_overflows_is_clipped_into_the_type():
    done = strike(Scale(factor=10), pa.array([1.7e308, -1.7e308, 1.0] * 5))
    assert done.cells.to_pylist()[:3] == [np.finfo(float).max, -np.finfo(float).max, 10.0]
    assert done.counts.clipped == 10


def test_the_exponential_is_right_to_the_last_place_but_one():
    x = np.linspace(-740, 705, 100_001)
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=5e-16, atol=1e-322)
    assert exp(np.array([0.0, 800.0, 1e6, -800.0, -1e6])).tolist() == [1.0, np.inf, np.inf, 0.0, 0.0]


# Through the command line


TABLE = "id,temperature,weight\n" + "".join(f"{i},{i % 40}.5,{70 + i % 9}\n" for i in range(200))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path


def test_a_csv_keeps_its_decimals_and_its_integers(command, recipe, table, tmp_path):
    steps = recipe(
        "op: wrong_unit, columns: [temperature], from_unit: C, to_unit: F, rate: 1",
        "op: wrong_unit, id: mass, columns: [weight], from_unit: kg, to_unit: lb, rate: 1",
    )
    assert command("augment", table, "-r", steps, "-o", tmp_path / "out.csv").code == 0
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "id,temperature,weight"
    assert rows[1:4] == ["0,32.9,154", "1,34.7,157", "2,36.5,159"]


def test_what_overflows_in_a_csv_is_a_warning_of_ours(command, recipe, table, tmp_path):
    steps = recipe("op: scale, columns: [temperature], factor: 1e+308, rate: 1")
    done = command("augment", table, "-r", steps, "-o", tmp_path / "out.csv")
    assert done.code == 0
    assert "190 results were clipped" in done.err
    assert "RuntimeWarning" not in done.err


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("op: wrong_unit, columns: [weight], from_unit: stone, to_unit: kg", "unknown unit 'stone'; known are K, C"),
        ("op: wrong_unit, columns: [weight], from_unit: kg, to_unit: km", "kg is a unit of mass, km of length"),
        ("op: wrong_unit, columns: [weight], from_unit: kg, to_unit: kg", "are the same"),
        ("op: gaussian_noise, columns: [weight], sigma: 1, snr_db: 9", "'snr_db' stands instead of 'sigma'"),
        ("op: uniform_noise, columns: [weight], severity: 1, snr_db: 9", "'snr_db' stands instead of 'sigma'"),
        ("op: quantize, columns: [weight], severity: 1, step: 9", "'step' stands instead of 'digits'"),
        ("op: clip, columns: [weight], lower: 5, upper: 3", "'lower' is above 'upper'"),
        ("op: clip, columns: [weight], lower: q1, upper: 3", "'weight' has its bounds in the wrong order: 72 to 3"),
        ("op: decimal_slip, columns: [weight], places: 0", "0 leaves the point where it is"),
        ("op: student_t_noise, columns: [weight], df: 0.5", "df: should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(command, recipe, table, tmp_path, step, said):
    done = command("augment", table, "-r", recipe(step), "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert [said in line for line in done.errors] == [True]
    assert not (tmp_path / "out.csv").exists()


def test_counts_below_zero_are_refused(command, recipe, tmp_path):
    (tmp_path / "in.csv").write_text("n\n3\n-1\n")
    done = command("augment", tmp_path / "in.csv", "-r", recipe("op: poisson_noise, columns: [n]"), "-o", "out.csv")
    assert done.code == 2
    assert "column 'n' has values below 0, which are no counts" in done.err


def test_signs_of_unsigned_numbers_cannot_flip(command, recipe, tmp_path):
    pq.write_table(pa.table({"n": pa.array([1, 2], pa.uint8())}), tmp_path / "in.parquet")
    steps = recipe("op: sign_flip, columns: [n]")
    done = command("augment", tmp_path / "in.parquet", "-r", steps, "-o", tmp_path / "out.parquet")
    assert done.code == 2
    assert "column 'n' holds no negative numbers" in done.err


def test_severities_strike_the_same_cells_with_more(command, recipe, table, tmp_path):
    outputs = []
    for severity in (1, 3, 5):
        steps = recipe(f"op: digit_error, columns: [weight], severity: {severity}")
        assert command("augment", table, "-r", steps, "-o", tmp_path / f"{severity}.csv").code == 0
        outputs.append((tmp_path / f"{severity}.csv").read_text().splitlines())
    clean = TABLE.splitlines()
    few, some, many = ({(i, new) for i, new in enumerate(rows) if new != clean[i]} for rows in outputs)
    assert few <= some <= many
    assert len(many) > len(some) > 0
    assert changed(pa.array(clean), pa.array(outputs[2])).sum() == len(many)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("step", [{"op": "sign_flip"}, {"op": "digit_error"}, {"op": "gaussian_noise", "sigma": 2}])
def test_integers_that_floats_would_garble_are_left_alone(step: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    table = pa.table({"id": [1234567890123456789 + i for i in range(40)] + [123450 + i for i in range(60)]})
    source = tmp_path / f"in{suffix}"
    (pa.csv.write_csv if suffix == ".csv" else pq.write_table)(table, source)
    recipe = {"noisecli": 1, "seed": 1, "steps": [{**step, "columns": "id", "rate": 1}]}
    done = noisecli.augment(source, recipe, tmp_path / f"out{suffix}")
    read = pa.csv.read_csv if suffix == ".csv" else pq.read_table
    noisy = read(done.output)["id"].to_pylist()
    assert noisy[:40] == table["id"].to_pylist()[:40]
    assert noisy[40:] != table["id"].to_pylist()[40:]
    assert done.manifest.steps[0].columns["id"]["inexact"] == 40
    assert any("40 of 100 struck are integers beyond 2^53" in line for line in done.manifest.warnings)


def test_a_factor_without_bounds_leaves_zero_at_zero():
    table = pa.table({"x": [0.0, 1.5] * 100})
    steps = [{"op": "multiplicative_noise", "columns": ["x"], "sigma": 1e9}]
    with pytest.warns(NoiseWarning, match="came out unchanged|clipped"):
        new = noisecli.corrupt(table, {"noisecli": 1, "seed": 7, "steps": steps})["x"].to_numpy()
    assert (new[::2] == 0).all()
    assert np.isfinite(new).all()
