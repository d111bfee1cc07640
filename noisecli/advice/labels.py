"""Wrong labels: too many of them to learn from, or too few rows to tell."""

from collections.abc import Iterator, Mapping

from noisecli.advice.case import Advice, Case
from noisecli.columns import Column
from noisecli.corruption import CellCorruption
from noisecli.corruptions.table.category import ByMatrix, CategorySwap
from noisecli.corruptions.table.label import LabelFlip
from noisecli.corruptions.table.relabel import label_of
from noisecli.plan import StepPlan

FEW = 1000
"""With fewer labelled rows two sets of wrong labels at one rate give noticeably different models."""
SEEDS = 5
"""So many copies show how much that is."""


def _on_labels(case: Case) -> Iterator[tuple[StepPlan, Column]]:
    """Steps that make labels wrong, and the label."""
    label = case.recipe.head.data.label
    for _, step in case.steps:
        op = step.corruption
        if isinstance(op, CellCorruption) and (op.role == "label" or op.tells_transitions):
            names = [name for name in step.columns if name == label or op.role == "label"]
            yield from ((step, case.plan.columns[name]) for name in names)


def few_rows(case: Case) -> Iterator[Advice]:
    """Label noise in few rows.

    Of two classes, the rows that learning takes grow with 1 / (1 - 2 rate)^2. Source: Aslam and Decatur 1996, "On the
    Sample Complexity of Noise-Tolerant Learning".
    """
    if case.recipe.head.purpose != "train" or case.recipe.head.copies >= SEEDS:
        return
    for step, column in _on_labels(case):
        rows = case.filled(column.name)
        if rows is not None and 0 < rows < FEW:
            worth, rate = "", step.rate
            if isinstance(step.corruption, LabelFlip) and len(column.categories or ()) == 2 and rate < 0.5:
                worth = f", worth about {rows * (1 - 2 * rate) ** 2:.0f} clean ones at rate {rate:g}"
            text = f"{rows} labelled rows are few{worth}: which of them are wrong matters as much as how many"
            yield Advice("few", f"{text}; compare several (`copies: {SEEDS}`)", step.id, (column.name,))


def beyond_learning(case: Case) -> Iterator[Advice]:
    """Label noise after which a class is no longer the commonest label of its own rows.

    Source: Angluin and Laird 1988, "Learning from Noisy Examples" (two classes: rate below 1/2); Ghosh, Kumar and
    Sastry 2017, "Robust Loss Functions under Label Noise for Deep Neural Networks" (of K classes: below (K - 1)/K; in a
    matrix each class itself the most probable of its row).
    """
    if case.recipe.head.purpose != "train":
        return
    for step, column in _on_labels(case):
        op = step.corruption
        if not isinstance(op, LabelFlip | CategorySwap) or step.where or step.window or step.patterns:
            continue
        lost = [label_of(c) for c in column.categories or () if _is_lost(op, column, label_of(c), step.rate)]
        if lost and len(column.categories or ()) > 1:
            whose = "every class" if len(lost) == len(column.categories or ()) else f"class {lost[0]!r}"
            text = f"at rate {step.rate:g} the label of {whose} is no longer the commonest one of its own rows"
            limit = f"stay below {_limit(op, column):.3g}" if op.matrix is None else "lower it, or mend the matrix"
            yield Advice("limit", f"{text}, which no method can learn: {limit}", step.id, (column.name,))


def _is_lost(op: LabelFlip | CategorySwap, column: Column, label: str, rate: float) -> bool:
    """Whether rows of a class are called another one as often as their own, or oftener."""
    wrong = _wrong(op, column, label)
    return bool(wrong) and 1 - rate * sum(wrong.values()) <= rate * max(wrong.values()) + 1e-9


def _limit(op: LabelFlip | CategorySwap, column: Column) -> float:
    """Return the rate at which the first class is lost."""
    rows = (_wrong(op, column, label_of(value)) for value in column.categories or ())
    return min(1 / (sum(row.values()) + max(row.values())) for row in rows if row)


def _wrong(op: LabelFlip | CategorySwap, column: Column, label: str) -> Mapping[str, float]:
    """Say how probable each wrong class is for struck cells of a class."""
    names = [label_of(value) for value in column.categories or ()]
    others = [name for name in names if name != label]
    if isinstance(op, ByMatrix) and op.matrix is not None:
        row = op.matrix.get(label, {})
        return {name: share / sum(row.values()) for name, share in row.items() if name != label and share > 0}
    if isinstance(op, CategorySwap) and op.distribution == "frequency" and column.counts is not None:
        counts = dict(zip(names, column.counts, strict=True))
        return {name: counts[name] / sum(counts[other] for other in others) for name in others}
    if isinstance(op, LabelFlip) and op.kind == "pair":
        return dict.fromkeys(others[:1], 1.0)
    share = 1.0
    if isinstance(op, LabelFlip):
        # At least one wrong class is as probable as all of them on average.
        share = 1 - op.accuracy if op.kind == "annotator" else len(others) / len(names) if op.include_self else 1.0
    return {name: share / len(others) for name in others if share > 0}


def wrong_yardstick(case: Case) -> Iterator[Advice]:
    """Labels made wrong where models are to be evaluated.

    Source: Northcutt, Athalye and Mueller 2021, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
    Benchmarks".
    """
    if case.recipe.head.purpose != "evaluate":
        return
    for step, column in _on_labels(case):
        text = "under `purpose: evaluate` scores are taken against wrong labels, and measure these more than the model"
        yield Advice(
            "labels", f"{text}: leave the label alone, or keep the clean one beside it", step.id, (column.name,)
        )
