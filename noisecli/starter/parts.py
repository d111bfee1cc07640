"""Groups of steps that themes are made of, each for the columns that it fits."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from noisecli.columns import NUMBER, Kind
from noisecli.starter.draft import Columns, Group, Step, noise
from noisecli.starter.profile import Profile, Use, figure, percent

WEAK, SIGMA = 1, 0.05
"""Severity of first steps, and what it is for noise on numbers."""


def measurement(columns: Columns) -> Group:
    """Numbers that were read a little wrong, and counts that are off by one."""
    even, relative, coarse = _by_noise(columns.of(Use.MEASURE))
    whole = [found for found in coarse if found.column.kind is Kind.INTEGER]
    levels = [found for found in columns.of(Use.LEVELS) if found.distinct > 2] + whole
    last = [found for found in coarse if found.column.kind is not Kind.INTEGER]
    steps = []
    if even:
        why = "Read a little wrong: normal errors of 0.05 standard deviations."
        steps.append(Step("gaussian_noise", why, even, {"severity": WEAK}, tell=weak_noise))
    if relative:
        why = "Never negative, so the error grows with the value: about 5 % of it, and 0 stays 0."
        steps.append(Step("multiplicative_noise", why, relative, {"severity": WEAK}, tell=_range))
    for i, size in enumerate(sorted({found.step for found in last})):
        same = [found for found in last if found.step == size]
        why = f"Few digits: an error below the last one would not show, so one of about {2 * size:g}."
        settings = {"unit": "absolute", "sigma": float(f"{2 * size:g}")}
        steps.append(Step("gaussian_noise", why, same, settings, id=f"last_digit_{i + 1}" if i else "last_digit"))
    if levels:
        why = "Miscounted by one, or one level off, in 2 % of rows."
        steps.append(Step("ordinal_shift", why, levels, {"rate": 0.02}, tell=_levels))
    if even or relative:
        far = [*even, *relative]
        why = "Stronger: gross errors, far outside the quartiles (Tukey's fences)."
        steps.append(Step("outlier", why, far, {"k": 3, "rate": 0.005}, active=False))
    return Group("Measurement", steps)


def weak_noise(found: Profile) -> str:
    """How much the weakest noise is in the column's own unit."""
    return noise(found, SIGMA)


def _range(found: Profile) -> str:
    return f"{figure(found.column.min)} to {figure(found.column.max)}"


def _about(found: Profile) -> str:
    return found.about


def _levels(found: Profile) -> str:
    return f"{found.distinct} values, {figure(found.column.min)} to {figure(found.column.max)}"


def _by_noise(columns: Iterable[Profile]) -> tuple[list[Profile], list[Profile], list[Profile]]:
    """Columns for additive noise, for relative noise, and too coarse for either."""
    even: list[Profile] = []
    relative: list[Profile] = []
    coarse: list[Profile] = []
    for found in columns:
        column = found.column
        positive = column.min >= 0 and column.min < 3 * SIGMA * column.sd
        size = SIGMA * (column.mean if positive else column.sd)
        if size < found.step:
            coarse.append(found)
        else:
            (relative if positive else even).append(found)
    return even, relative, coarse


def categories(columns: Columns, rate: float = 0.02) -> Group:
    """Categories that were mistaken for another."""
    chosen = columns.of(Use.CATEGORY, Use.FLAG)
    if not chosen:
        return Group("Categories", [])
    why = "The wrong one was picked; commoner ones more often, so that shares hardly change."
    new = "Stronger: categories that no training row has, as when a code list has grown."
    unseen = {"values": ["new"], "rate": 0.01}
    texts = [found for found in chosen if found.column.kind is Kind.TEXT]
    steps = [Step("category_swap", why, chosen, {"rate": rate, "distribution": "frequency"}, tell=_count)]
    return Group("Categories", steps + ([Step("unseen_category", new, texts, unseen, active=False)] * bool(texts)))


def _count(found: Profile) -> str:
    return f"{found.distinct} values"


def dates(columns: Columns) -> Group:
    """Dates and times that were noted a little off."""
    moments = columns.of(Use.MOMENT)
    days = [found for found in moments if _in_days(found)]
    times = [found for found in moments if not _in_days(found)]
    steps = []
    if days:
        why = "Noted some days early or late, in 5 % of rows."
        steps.append(Step("date_jitter", why, days, {"sigma": 3, "unit": "d", "rate": 0.05}))
    if times:
        id_ = "time_jitter" if days else None
        why = "Noted some minutes early or late, in 5 % of rows."
        steps.append(Step("date_jitter", why, times, {"sigma": 3, "unit": "min", "rate": 0.05}, id=id_))
    if moments:
        why = "Stronger: day and month exchanged, as where 03/04 is read the other way."
        steps.append(Step("swap_day_month", why, moments, {"rate": 0.02}, active=False))
    return Group("Dates", steps)


def _in_days(found: Profile) -> bool:
    if found.column.kind is Kind.DATE:
        return True
    times, known = found.column.to_times(found.cells)
    return not bool(np.any(times[known] % 86_400_000_000))


def missing(columns: Columns, besides: Sequence[Profile] = ()) -> Group:
    """Cells that get lost where some are missing already, or anywhere, but in columns that have gaps of their own."""
    features = columns.of(*set(Use) - {Use.OTHER, Use.ALIKE, Use.KEY})
    gappy = [found for found in features if found.missing > 0 and found not in besides]
    others = columns.of(Use.MEASURE, Use.LEVELS, Use.CATEGORY, Use.FLAG)
    chosen = gappy or [found for found in others if found not in besides]
    if not chosen:
        return Group("Missing", [])
    why = (
        "These lack values already; 5 % of the rest will, too."
        if gappy
        else "Nothing is missing so far: 5 % from now on."
    )
    steps = [Step("missing", why, chosen, {"severity": WEAK}, tell=_missing if gappy else None)]
    steps += _depending(columns, chosen)
    return Group("Missing", steps)


def _missing(found: Profile) -> str:
    return percent(found.missing)


def _depending(columns: Columns, chosen: Sequence[Profile]) -> list[Step]:
    """A step whose gaps depend on another column, where there is one."""
    decide = [found for found in columns.of(Use.MEASURE, Use.LEVELS) if found.missing < 0.5]
    for by in sorted(decide, key=lambda found: (found.missing, found.use is Use.LEVELS)):
        others = [found for found in chosen if found is not by]
        if others:
            mechanism = {"mar": {"columns": by.name, "tail": "upper"}}
            why = f"Closer to life: not by chance alone, but likelier where {by.name} is high."
            settings = {"rate": 0.05, "mechanism": mechanism}
            return [Step("missing", why, others[:3], settings, id="missing_by_value", active=False)]
    return []


def typing(columns: Columns, weak: bool) -> Group:
    """Slips of people who type texts and numbers; `weak` where they are but one matter among others."""
    texts = typed_texts(columns)
    listed = [found for found in columns.of(Use.CATEGORY) if spelt(found)]
    steps = []
    if texts:
        why = "A slip of the keyboard in 2 % of words."
        steps.append(Step("typo", why, texts, {"severity": WEAK}, tell=_about))
    if listed and not weak:
        why = "A value typed by hand each time, with a slip in 2 % of cells."
        steps.append(Step("misspell", why, listed, {"rate": 0.02, "consistent": False}))
    if weak:
        return Group("Typing", steps)
    if texts:
        steps.append(Step("case", "Caps lock, in 1 % of words.", texts, {"rate": 0.01}))
        steps.append(Step("char_repeat", "A key that sticks.", texts, {"rate": 0.003}))
    spaced = [found for found in texts if found.use is Use.TEXT]
    if spaced:
        add = {"change": "add", "rate": 0.003}
        steps.append(Step("whitespace", "A blank too many.", spaced, add, id="blank_too_many"))
        steps.append(Step("word_merge", "A blank too few.", spaced, {"rate": 0.003}))
        why = "Stronger: words left out."
        steps.append(Step("word_drop", why, spaced, {"rate": 0.005}, active=False))
        steps.append(Step("word_repeat", "Stronger: words written twice.", spaced, {"rate": 0.005}, active=False))
    if listed:
        why = "Stronger: another style of the same thing: capitals, blanks, abbreviations."
        steps.append(Step("variant", why, listed, {"rate": 0.02}, active=False))
    return Group("Typing", steps)


def typed_texts(columns: Columns) -> list[Profile]:
    """Texts that somebody may have typed."""
    return columns.of(Use.TEXT, Use.CODE)


def spelt(found: Profile) -> bool:
    """Whether the categories of a column are words, not signs of one or two letters."""
    values = [value for value, _ in found.common]
    return found.column.kind is Kind.TEXT and sum(map(len, values)) > 2.5 * len(values)


def keyed_numbers(columns: Columns) -> Group:
    """Numbers that were typed from paper."""
    numbers = columns.of(Use.MEASURE)
    if not numbers:
        return Group("Numbers typed from paper", [])
    long = [found for found in numbers if found.column.median >= 20 or found.step not in (0, 1)]
    wrong: dict[str, Any] = {"kind": "replace", "rate": 0.004}
    swapped: dict[str, Any] = {"kind": "transpose", "rate": 0.002}
    why = "A wrong digit: one number in 250 (published, with all kinds of slips: 0.55 to 3.6 % of entries)."
    steps = [Step("digit_error", why, numbers, wrong, id="wrong_digit")]
    if long:
        why = "Two neighbouring digits swapped: one number in 500."
        steps.append(Step("digit_error", why, long, swapped, id="swapped_digits"))
    slip = "Stronger: the decimal point in the wrong place, so ten times too much."
    steps.append(Step("decimal_slip", slip, numbers, {"rate": 0.002}, active=False))
    return Group("Numbers typed from paper", steps)


def labels(columns: Columns) -> Group:
    """Wrong labels: never without being asked."""
    label = columns.label
    if label is None:
        return Group("Label", [])
    if label.use in (Use.FLAG, Use.CATEGORY, Use.LEVELS) or label.column.kind not in NUMBER:
        why = f"Wrong labels: exactly 5 % of each class of {label.name}. Real sets have from 3 to 38 %."
        return Group("Label", [Step("label_flip", why, None, {"rate": 0.05}, active=False)])
    why = f"A target that was measured poorly: 0.05 standard deviations of {label.name} ({noise(label, SIGMA)})."
    return Group("Label", [Step("target_noise", why, None, {"severity": WEAK}, active=False)])


def rows() -> Group:
    """Rows that come twice: they move others, so never without being asked."""
    why = "Records that were entered twice, with a wrong field. The copy has more rows than the input."
    return Group("Rows", [Step("duplicate", why, None, {"rate": 0.01, "errors": 1}, active=False)])
