"""Steps that stand in each other's way, found by trying them."""

from collections.abc import Iterator

from noisecli.advice.case import Advice, Case, percent
from noisecli.advice.trial import Trial
from noisecli.corruption import FileCorruption, RowsCorruption
from noisecli.engine import Counts
from noisecli.plan import StepPlan

MOST_LEFT = 0.25
"""Share of its work that is left to a step of which something is said."""


def no_row_left(case: Case) -> Iterator[Advice]:
    """Steps on rows that leave none."""
    if case.trial is None or len(case.trial.run().order):
        return
    for _, step in case.steps:
        if isinstance(step.corruption, RowsCorruption) and len(case.trial.run(step.id).order):
            yield Advice("rows", "it leaves none of the first rows: lower its rate", step.id)


def act_on_nothing(case: Case) -> Iterator[Advice]:
    """Steps most of whose strikes hit what an earlier step has removed."""
    trial = case.trial
    if trial is None:
        return
    done: list[StepPlan] = []
    for _, step in case.steps:
        counts = _counts(trial, step)
        lost = [name for name, c in counts.items() if c.struck >= trial.enough and c.void > (1 - MOST_LEFT) * c.struck]
        if lost:
            void, struck = sum(counts[name].void for name in lost), sum(counts[name].struck for name in lost)
            before = [other for other in done if _void(trial, step, lost, other.id) < void]
            which = f"step {before[0].id!r}" if before else "earlier steps"
            text = f"{which} removed {percent(void, struck)} of what it strikes: put it first, or lower that rate"
            yield Advice("void", text, step.id, tuple(lost))
        done.append(step)


def _counts(trial: Trial, step: StepPlan, *without: str) -> dict[str, Counts]:
    return {column: counts for (name, column), counts in trial.run(*without).tally.items() if name == step.id}


def _void(trial: Trial, step: StepPlan, columns: list[str], without: str) -> int:
    counts = _counts(trial, step, without)
    return sum(counts[name].void for name in columns if name in counts)


def work_in_vain(case: Case) -> Iterator[Advice]:
    """Steps of whose work later ones leave little: they overwrite or undo it."""
    trial = case.trial
    if trial is None or not len(trial.run().order):
        return
    steps = [step for _, step in case.steps if not isinstance(step.corruption, FileCorruption)]
    for i, step in enumerate(steps):
        made, later = trial.run().count(step.id), steps[i + 1 :]
        if made < trial.enough or trial.run().untouched(step.id) >= MOST_LEFT * made:
            continue
        left = trial.run().distance(trial.run(step.id))
        if trial.run().undone(step.id) > (1 - MOST_LEFT) * made:
            others = [other for other in later if not set(step.columns).isdisjoint(other.columns)]
            text = f"step {others[-1].id!r} puts most of it back to what it was: leave one of them out"
            yield Advice("vain", text, step.id, step.columns)
        elif left is not None and left < MOST_LEFT * made:
            left_without = {other.id: _left(trial, step, other.id) for other in later}
            who = max(left_without, key=lambda other: left_without[other], default="")
            what = f"{percent(left, made)} of what it changes is left" if left else "nothing of what it changes is left"
            whom = f"step {who!r} overwrites it" if left_without.get(who, 0) > left else "later steps overwrite it"
            yield Advice("vain", f"{what}, since {whom}: leave one out, or change their order", step.id, step.columns)


def _left(trial: Trial, step: StepPlan, without: str) -> int:
    return trial.run(without).distance(trial.run(without, step.id)) or 0
