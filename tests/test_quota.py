"""Which cells are struck: quotas, their limits, and strikes that nest."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli.mechanism import strike_cells
from noisecli.quota import KEYS, KeySample, Quota, apportion, cell_keys, share
from noisecli.streams import BLOCK, Stream, strike
from noisecli.survey import QuotaRequest, settle_quota

STREAM = Stream(seed=1, copy=1, step="step", path="")
sizes = st.lists(st.integers(0, 50) | st.integers(0, 20_000), min_size=1, max_size=40)
rates = st.floats(0, 1, allow_nan=False)


@st.composite
def elections(draw):
    """Sizes of strata, and how many cells to strike in all."""
    given_sizes = draw(sizes)
    return draw(st.integers(0, sum(given_sizes))), given_sizes


@given(elections())
def test_apportion_gives_out_all_and_no_stratum_more_than_it_holds(election):
    total, strata = election
    seats = apportion(total, strata)
    assert sum(seats) == total
    assert all(0 <= seat <= size for seat, size in zip(seats, strata, strict=True))


@given(elections())
def test_apportion_is_house_monotone(election):
    total, strata = election
    if total < sum(strata):
        more = apportion(total + 1, strata)
        assert all(a <= b for a, b in zip(apportion(total, strata), more, strict=True))


@given(elections())
def test_apportion_rounds_each_share_up_or_down(election):
    total, strata = election
    for seat, size in zip(apportion(total, strata), strata, strict=True):
        assert abs(seat * sum(strata) - total * size) < max(sum(strata), 1)


def test_apportion_of_nothing():
    assert apportion(0, []) == []
    assert apportion(0, [0, 0]) == [0, 0]
    assert apportion(0, [3, 5]) == [0, 0]


def test_ties_go_to_the_earlier_stratum():
    assert apportion(1, [5, 5, 5]) == [1, 0, 0]
    assert apportion(2, [5, 5, 5]) == [1, 1, 0]


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        (0.285, 100, 29),
        (0.5, 1, 1),
        (0.5, 3, 2),
        (0.145, 100, 15),
        (0.1, 4, 0),
        (1e-9, 10**9, 1),
        (1.0, 7, 7),
        (0, 7, 0),
    ],
)
def test_share_rounds_half_up_as_the_rate_is_written(rate, count, expected):
    assert share(rate, count) == expected


@given(rates, rates, st.integers(0, 10**9))
def test_share_is_near_and_grows_with_the_rate(rate, other, count):
    assert abs(share(rate, count) - Fraction(Decimal(repr(rate))) * count) <= Fraction(1, 2)
    low, high = sorted((rate, other))
    assert share(low, count) <= share(high, count)


@pytest.mark.parametrize("rate", [0.0, 1e-5, 0.01, 0.5, 0.9, 0.9999, 1.0])
@pytest.mark.parametrize("cuts", [[], [1], [100_000, 200_000], list(range(7_000, 300_000, 7_000))])
def test_a_sample_finds_the_limit_that_sorting_everything_finds(rate, cuts):
    count = 300_000
    keys = np.random.default_rng(5).integers(0, KEYS, count, dtype=np.uint64)
    parts = []
    for part in np.split(keys, cuts):
        sample = KeySample(rate)
        for piece in np.array_split(part, 5):
            sample.add(piece)
        parts.append(sample)
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    assert whole.count == count
    middle = share(rate, count)
    for quota in {max(0, middle - 3), middle, min(count, middle + 3)}:
        assert whole.limit(quota) == (int(np.sort(keys)[quota - 1]) if quota else None)


def test_a_sample_keeps_little():
    sample = KeySample(0.3)
    for block in range(100):
        sample.add(cell_keys(STREAM, "x", block))
    sample.merge(KeySample(0.3))
    assert sum(map(len, sample.kept)) < 0.02 * sample.count


def test_limits_are_found_beside_a_long_tail_of_small_classes():
    """Each of 10,000 classes of 6 rows has a share of 0.6: they must not take 4,000 cells from the large class."""
    random = np.random.default_rng(5)
    samples: dict[object, KeySample] = {}
    for name, size in [("large", 1_000_000), *((f"{i}", 6) for i in range(10_000))]:
        samples[name] = KeySample(0.1)
        samples[name].add(random.integers(0, KEYS, size, dtype=np.uint64))
    quota = settle_quota(samples, QuotaRequest("step", "x", 0.1, True, False), list(samples))
    large = np.concatenate(samples["large"].kept)
    assert samples["large"].below + np.count_nonzero(large <= np.uint64(quota.limits[0])) == 100_000
    assert sum(limit is not None for limit in quota.limits[1:]) == 6_000


def test_a_quota_strikes_as_many_cells_as_it_says_in_each_stratum():
    keys = cell_keys(STREAM, "x", 0)
    cells = pa.array(["a", "b", None, "c"] * (BLOCK // 4))
    of_a, of_b = np.sort(keys[0::4]), np.sort(keys[1::4])
    mask = Quota(("a", "b"), (int(of_a[99]), None)).mask(keys, cells)
    assert mask.sum() == mask[0::4].sum() == 100
    assert Quota(None, (int(of_b[0]),)).mask(keys, cells)[1::4].sum() == 1
    assert not Quota((), ()).mask(keys, cells).any()


@given(rates, rates, st.integers(0, 3))
def test_strikes_nest(rate, other, block):
    low, high = sorted((rate, other))
    few, many = strike_cells(STREAM, "x", block, low), strike_cells(STREAM, "x", block, high)
    assert len(few) == BLOCK
    assert not (few & ~many).any()


@given(st.lists(rates, min_size=1, max_size=50), st.integers(1, 50))
def test_a_rate_for_each_slot_strikes_as_that_rate_alone_does(given_rates, slots):
    given_rates = np.resize(given_rates, slots)
    together = strike(STREAM.generator("strike", "x", 0), given_rates, slots)
    alone = [strike(STREAM.generator("strike", "x", 0), rate, slots)[i] for i, rate in enumerate(given_rates)]
    assert together.tolist() == alone


def test_rates_0_and_1_strike_none_and_all():
    assert not strike_cells(STREAM, "x", 0, 0).any()
    assert strike_cells(STREAM, "x", 0, 1).all()


def test_another_address_strikes_others():
    masks = [
        strike_cells(stream, column, block, 0.5).tobytes()
        for stream in (
            STREAM,
            Stream(2, 1, "step", ""),
            Stream(1, 2, "step", ""),
            Stream(1, 1, "other", ""),
            Stream(1, 1, "step", "a"),
        )
        for column in ("x", "y")
        for block in (0, 1)
    ]
    assert len(set(masks)) == len(masks) == 20
