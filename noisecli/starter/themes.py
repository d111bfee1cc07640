"""What a recipe imitates: each theme puts together the groups of steps that fit the columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noisecli.columns import Kind
from noisecli.starter import parts
from noisecli.starter.draft import Columns, Draft, Group, Step
from noisecli.starter.profile import Profile, Use, figure

SEVERITIES = (0, 1, 2, 3, 4, 5)


def mix(columns: Columns) -> Draft:
    """A bit of everything that happens to columns of such types."""
    readings = columns.of(Use.MEASURE) if columns.roles.regular else []
    groups = [
        parts.measurement(columns),
        Group("Faults along the series", _faults(columns, readings)[-2:] if readings else []),
        parts.categories(columns),
        parts.typing(columns, weak=True),
        parts.dates(columns),
        parts.missing(columns, readings),
        parts.labels(columns),
        parts.rows(),
    ]
    return Draft(groups)


def sensors(columns: Columns) -> Draft:
    """Faults of sensors, along series of readings."""
    readings = columns.of(Use.MEASURE)
    if not readings:
        return Draft([])
    time, entity = columns.roles.column("time"), columns.roles.column("entity")
    notes = []
    if time is None:
        notes.append(
            "No column of times in order was found, so the rows count as one reading after the other, as they stand in "
            "the file. If that is not so, these faults make no sense here; else name the columns: data: {time: WHEN, "
            "entity: DEVICE}."
        )
    even = [found for found in readings if parts.SIGMA * found.column.sd >= found.step]
    steps = []
    if even:
        why = "Noise of the instrument: 0.05 standard deviations."
        steps.append(Step("gaussian_noise", why, even, {"severity": parts.WEAK}, tell=parts.weak_noise))
    pink = "Instead of it: noise that remembers, as drifting electronics make it."
    steps.append(Step("coloured_noise", pink, readings, {"color": "pink", "severity": parts.WEAK}, active=False))
    clock = _clock(columns, readings, time, entity)
    return Draft(
        [Group("Readings", steps), Group("Faults", _faults(columns, readings)), Group("Clock", clock)], notes=notes
    )


def _faults(columns: Columns, readings: Sequence[Profile]) -> list[Step]:
    """Drift and stuck readings in runs that fit into the series, spikes, and gaps last: no later step meets them."""
    rows = columns.look.rows if columns.look.opened.excerpt.whole else 10**9
    length = max(2, min(20, (columns.roles.length or rows) // 20, rows // 1000))
    by = " of its own device" if columns.roles.column("entity") else ""
    fine = [found for found in readings if found.step <= parts.SIGMA * found.column.sd]
    drifting = f"A reading leaves the truth, further at each of some {2 * length} rows; 2 % of all."
    stuck = f"A reading hangs, and repeats the last one{by} for {length} rows on average; 1 % of all."
    runs, gaps = {"burst": {"length": length}}, f"Gaps: no reading for {length} rows on average, 1 % of all."
    long = {"burst": {"length": 2 * length}}
    return [
        *([Step("drift", drifting, fine, {"severity": 3, "rate": 0.02, "mechanism": long})] if fine else []),
        Step("stuck", stuck, readings, {"severity": 1, "mechanism": runs}),
        Step("spike", "Single readings far off, one in 500.", readings, {"severity": 3, "rate": 0.002}),
        Step("missing", gaps, readings, {"rate": 0.01, "mechanism": runs}, id="gaps"),
    ]


def _clock(columns: Columns, readings: Sequence[Profile], time: str | None, entity: str | None) -> list[Step]:
    steps = []
    if len(readings) > 1:
        why = "Stronger: channels leak into each other."
        steps.append(Step("cross_talk", why, readings, {"severity": 1}, active=False))
    if entity is not None:
        why = f"Stronger: a {entity} in 50 that reports nothing at all."
        settings: dict[str, Any] = {"rate": 0.02, "mechanism": {"clustered": entity}}
        steps.append(Step("missing", why, readings, settings, id="silent", active=False))
    if time is not None:
        why = f"The clock itself: {time} repeats the row before; after either of these the copy may be out of order."
        steps.append(Step("duplicate_timestamp", why, None, {"rate": 0.01}, active=False))
        steps.append(
            Step("late_arrival", "Rows that come up to five rows late.", None, {"rate": 0.01, "delay": 5}, active=False)
        )
    return steps


def survey(columns: Columns) -> Draft:
    """Answers that a survey does not get, or gets wrong."""
    amounts, levels = columns.of(Use.MEASURE), columns.of(Use.LEVELS)
    choices = columns.of(Use.CATEGORY, Use.FLAG)
    open_ = columns.of(Use.TEXT)
    steps: list[Step] = []
    texts = [found for found in [*choices, *open_] if found.column.kind is Kind.TEXT]
    if texts:
        tokens = {"tokens": ["don't know"], "rate": 0.01}
        steps.append(Step("disguised_missing", '"Don\'t know", coded as an answer.', texts, tokens, id="do_not_know"))
    if amounts:
        why = "Amounts are refused by those who have much (missing not at random)."
        mechanism = {"mnar": {"tail": "upper"}}
        steps.append(Step("missing", why, amounts, {"rate": 0.05, "mechanism": mechanism}, id="refused"))
    if choices or levels:
        why = "Questions of choice are skipped by chance."
        steps.append(Step("missing", why, [*choices, *levels], {"rate": 0.02}, id="skipped"))
    if open_:
        steps.append(
            Step("missing", "Open questions are left empty most often.", open_, {"rate": 0.08}, id="left_empty")
        )
    answers = [*amounts, *levels, *choices, *open_]
    if len(answers) > 1:
        why = "Stronger: people who break off lose all answers from some question on, in the order of the file."
        steps.append(Step("monotone_missing", why, answers, {"rate": 0.02}, active=False))
    wrong = [*_heaping(amounts)]
    if levels:
        why = "One level off on a scale."
        scale = [found for found in levels if found.distinct > 2]
        wrong += [Step("ordinal_shift", why, scale, {"rate": 0.02})] if scale else []
    wrong += parts.categories(columns, 0.01).steps
    if open_:
        wrong.append(Step("typo", "A slip of the keyboard in 2 % of words.", open_, {"severity": parts.WEAK}))
    return Draft([Group("Answered wrongly", wrong), Group("Not answered", steps), parts.labels(columns)])


def _heaping(amounts: Sequence[Profile]) -> list[Step]:
    """Amounts that are rounded to fives and tens; each to a grid of its own spread."""
    by_grid: dict[float, list[Profile]] = {}
    for found in amounts:
        grid = _grid(found.column.sd / 2.5)
        if grid > found.step:
            by_grid.setdefault(grid, []).append(found)
    steps = []
    for i, (grid, columns) in enumerate(sorted(by_grid.items())[:4]):
        why = f"Rounded to {figure(grid)} when asked by heart (heaping), one answer in ten."
        plain = int(grid) if grid == int(grid) else grid
        settings = {"step": plain, "rate": 0.1}
        steps.append(Step("quantize", why, columns, settings, id=f"heaping_{i + 1}" if i else "heaping"))
    return steps


def _grid(size: float) -> float:
    """The largest of 1, 5, 10, 50... (or 0.5, 0.1, 0.05...) that is not above a size."""
    if size <= 0:
        return 0.0
    exponent = int(f"{size:e}".partition("e")[2])
    return max(float(f"{digit}e{exponent}") for digit in (1, 5) if float(f"{digit}e{exponent}") <= size)


def ocr(columns: Columns) -> Draft:
    """Text read off scanned pages."""
    texts = [*parts.typed_texts(columns), *(found for found in columns.of(Use.CATEGORY) if parts.spelt(found))]
    if not texts:
        return Draft([])
    spaced = [found for found in texts if found.use is Use.TEXT]
    lost = {"unit": "char", "weights": {"substitute": 0, "insert": 0, "transpose": 0}, "rate": 0.001}
    why = "Letters that look alike: 0 for O, rn for m. A good scan: 0.5 % of those that have a look-alike."
    steps = [
        Step("ocr", why, texts, {"unit": "char", "rate": 0.005}),
        Step("typo", "Letters too faint to be seen.", texts, lost, id="lost_letters"),
    ]
    if spaced:
        split = {"change": "add", "rate": 0.004}
        steps.append(Step("whitespace", "Gaps taken for blanks.", spaced, split, id="split_words"))
        steps.append(Step("word_merge", "Words that run into each other.", spaced, {"rate": 0.004}))
    worse = "A poor page: 6 % of those letters. Instead of the first step."
    steps.append(Step("ocr", worse, texts, {"unit": "char", "rate": 0.06}, id="poor_page", active=False))
    numbers = columns.of(Use.MEASURE)
    digits = [Step("digit_error", "Digits read wrong: one number in 200.", numbers, {"kind": "replace", "rate": 0.005})]
    return Draft([Group("Text", steps), Group("Numbers", digits if numbers else [])])


def typing(columns: Columns) -> Draft:
    """Slips of people who type."""
    return Draft([parts.typing(columns, weak=False), parts.keyed_numbers(columns), parts.rows()])


def robustness(columns: Columns) -> Draft:
    """One knob for a model's test: every step has a severity, and the sweep turns them all."""
    numbers = columns.of(Use.MEASURE)
    choices, texts = columns.of(Use.CATEGORY, Use.FLAG, Use.LEVELS), parts.typed_texts(columns)
    days = columns.of(Use.MOMENT)
    features = [*numbers, *choices, *texts, *days]
    asked: list[tuple[str, str, Sequence[Profile]]] = [
        ("gaussian_noise", "Numbers: from 0.05 to 0.5 standard deviations.", numbers),
        ("category_swap", "Categories: from 5 to 40 % of cells another one.", choices),
        ("typo", "Texts: from 2 to 40 % of words with a slip.", texts),
        ("date_jitter", "Dates: from 1 to 100 days off.", days),
        ("missing", "Gaps: from 5 to 50 % of cells.", features),
    ]
    steps = [Step(op, why, chosen, {"severity": parts.WEAK}) for op, why, chosen in asked if chosen]
    return Draft([Group("Steps", steps)], "evaluate", {"severity": list(SEVERITIES)})


THEMES: Mapping[str, Callable[[Columns], Draft]] = {
    "sensors": sensors,
    "survey": survey,
    "ocr": ocr,
    "typing": typing,
    "robustness": robustness,
}
