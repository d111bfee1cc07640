"""Corrupt one image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.corruption import Pixels
from noisecli.engine.counts import Counts, Tally
from noisecli.mechanism import strike_cells
from noisecli.plan import Plan, StepPlan
from noisecli.quota import cell_keys
from noisecli.streams import Stream


@dataclass(frozen=True)
class StruckImage:
    """What became of an image."""

    pixels: Pixels
    drawn: dict[str, Any]
    """Step id to what the image got: the op's parameters at its size, and what was drawn."""
    changed: tuple[str, ...]
    """Steps that really changed pixels."""


class ImageEngine:
    """Corrupts images of one copy; what it did adds up in `tally`."""

    def __init__(self, plan: Plan, copy: int) -> None:
        self._plan = plan
        self._copy = copy
        self.tally: Tally = {}

    def strikes(self, path: str) -> list[StepPlan]:
        """Return the steps that strike the image at a path; the pixels are not needed for that."""
        return [step for step in self._plan.steps if self._is_struck(step, path)]

    def __call__(self, path: str, pixels: Pixels, steps: list[StepPlan]) -> StruckImage:
        """Return the image after the steps that strike it; alpha is not among the pixels."""
        side = math.sqrt(pixels.shape[0] * pixels.shape[1])
        drawn: dict[str, Any] = {}
        changed = []
        for step in steps:
            op, _ = step.at_size(side)
            source = "" if op.shared else path
            generator = Stream(self._plan.seed, self._copy, step.id, source).generator("value", "", 0)
            new, got = op.strike(pixels, generator)
            if not np.array_equal(new, pixels):
                self.tally[step.id, ""].changed += 1
                changed.append(step.id)
            drawn[step.id] = {**op.model_dump(mode="json"), **got}
            pixels = new
        return StruckImage(pixels, drawn, tuple(changed))

    def _is_struck(self, step: StepPlan, path: str) -> bool:
        counts = self.tally.setdefault((step.id, ""), Counts())
        counts.eligible += 1
        stream = Stream(self._plan.seed, self._copy, step.id, path)
        if step.exact:
            keys = cell_keys(stream, "", 0)[:1]
            struck = bool(self._plan.quotas[step.id, "", self._copy].mask(keys, pa.nulls(1))[0])
        else:
            struck = bool(strike_cells(stream, "", 0, step.rate)[0])
        counts.struck += struck
        return struck
