"""Strike in runs along series."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from noisecli.engine.lineup import Kept, Lineup
from noisecli.engine.slab import Slab
from noisecli.plan import Plan, StepPlan
from noisecli.streams import Mask, Purpose, Stream, Words, raw_words, scramble, to_uniform


class Bursts:
    """The strikes in one file of all steps that strike in runs along series: a run goes on in the next slab."""

    def __init__(self, plan: Plan, stream: Callable[[StepPlan], Stream]) -> None:
        steps = {step.id: step for step in plan.steps}
        found = {(name, unit): plan.runs(steps[name], unit) for name, unit in plan.choosers if name in steps}
        self._runs = {key: runs for key, runs in found.items() if runs is not None}
        self._streams = {name: stream(steps[name]) for name, _ in self._runs}
        self._states = {key: Kept(1, np.nan) for key in self._runs}

    def strike(self, slab: Slab, lineup: Lineup) -> Slab:
        """Say of the slab that follows which of its rows are struck, and where in their series they are."""
        if not self._runs:
            return slab
        places = np.zeros(slab.rows, np.uint64)
        places[lineup.rows] = scramble(scramble(lineup.words, 0)[lineup.series], lineup.ordinals)
        return replace(slab, bursts={key: self._strike(key, lineup, slab.rows) for key in self._runs}, places=places)

    def _strike(self, key: tuple[str, str], lineup: Lineup, rows: int) -> Mask:
        (step, unit), state = key, self._states[key]
        uniforms = to_uniform(words_along(self._streams[step], "strike", unit, lineup))
        before = state.of(lineup.numbers)[:, 0]
        passed = np.zeros(len(uniforms)) if lineup.passed is None else lineup.passed
        struck = self._runs[key].along(uniforms, lineup.starts, before, passed)
        state.keep(lineup.numbers, struck[lineup.ends].astype(np.float64)[:, np.newaxis])
        chosen = np.zeros(rows, bool)
        chosen[lineup.rows] = struck
        return chosen


def words_along(stream: Stream, purpose: Purpose, name: str, lineup: Lineup) -> Words:
    """Return a random word for each row of the series."""
    # By the series' name and the row's place in it: a block of draws would be too many for most series.
    salt = raw_words(stream.generator(purpose, name, 0), 1)[0]
    return scramble(scramble(lineup.words ^ salt, 0)[lineup.series], lineup.ordinals)
