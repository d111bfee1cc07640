"""Asked against realised rates: what each step was to strike, what it struck, and what chance allows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from noisecli.manifest import Manifest, StepEntry

SIGMAS = 4
"""Half the width of what chance allows, in standard deviations: beyond are 6 in 100,000 honest counts."""


@dataclass(frozen=True)
class Rate:
    """What a step did to one column, over all copies."""

    step: str
    op: str
    column: str
    """"": whole rows, or images."""
    asked: float | None
    """Share to be struck; None where whole rows were asked for, and the column is one of theirs."""
    counts: Mapping[str, int]
    chance: tuple[float, float] | None
    """Between which shares independent strikes come out; None where strikes are exact or hang together."""

    @property
    def realised(self) -> float | None:
        """Share of the eligible cells that was struck; None where none was eligible."""
        return self.counts["struck"] / self.counts["eligible"] if self.counts["eligible"] else None

    @property
    def within(self) -> bool | None:
        """Whether the realised share is one that chance explains; None where that cannot be said."""
        if self.chance is None or self.realised is None:
            return None
        return self.chance[0] <= self.realised <= self.chance[1]


def rates(manifest: Manifest, sweep: str | None) -> list[Rate]:
    """Return the rates of all steps, those of one variant of a sweep where there is one."""
    steps = [step for step in manifest.steps if step.sweep == sweep]
    return [rate for step in steps for rate in _of_step(step, _strikes_alone(manifest.recipe, step))]


def _of_step(step: StepEntry, alone: bool) -> Iterator[Rate]:
    for column, counts in step.columns.items():
        part = bool(column) and "" in step.columns
        asked = None if part else (step.rates or {}).get(column, step.rate)
        eligible = counts["eligible"]
        known = alone and asked is not None and eligible > 0
        yield Rate(step.id, step.op, column, asked, counts, _chance(asked or 0.0, eligible) if known else None)


def _chance(rate: float, cells: int) -> tuple[float, float]:
    """Return the binomial range of the share that is struck: rate ± 4 sqrt(rate (1 - rate) / cells)."""
    margin = SIGMAS * math.sqrt(rate * (1 - rate) / cells)
    # Of few cells a share is coarse: one more or less is always possible.
    margin = max(margin, 1 / cells) if 0 < rate < 1 else margin
    return max(0.0, rate - margin), min(1.0, rate + margin)


def _strikes_alone(recipe: Mapping[str, Any], step: StepEntry) -> bool:
    """Whether each cell is struck by itself at the same rate: `mcar`, the default."""
    asked: Mapping[str, Any] = next((each for each in recipe["steps"] if each.get("id") == step.id), {})
    mechanism = asked.get("mechanism", "mcar")
    swept = any("mechanism" in str(path) for path in recipe.get("sweep") or ())
    return not step.exact and not swept and "mcar" in mechanism
