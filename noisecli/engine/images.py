"""Corrupt one image, and damage its file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from noisecli.corruption import Corruption, ImageFileCorruption, Pixels
from noisecli.engine.counts import Counts, Tally
from noisecli.mechanism import strike_cells
from noisecli.pixels import side_of
from noisecli.plan import Plan, StepPlan
from noisecli.quota import cell_keys
from noisecli.streams import Stream

T = TypeVar("T")

Act = tuple[str, Corruption, Callable[[T, Generator], tuple[T, dict[str, Any]]], str]
"""Step id, op, how it strikes, and the path that its random numbers go by."""


@dataclass(frozen=True)
class StruckImage(Generic[T]):
    """What became of an image."""

    result: T
    """Its pixels, or its finished file."""
    drawn: dict[str, Any]
    """Step id to what the image got: the op's parameters at its size, and what was drawn."""
    changed: tuple[str, ...]
    """Steps that really changed it."""


class ImageEngine:
    """Corrupts images of one copy; what it did adds up in `tally`."""

    def __init__(self, plan: Plan, copy: int) -> None:
        self._plan = plan
        self._copy = copy
        self.tally: Tally = {}

    def strikes(self, path: str) -> list[StepPlan]:
        """Return the steps that strike the image at a path; the pixels are not needed for that."""
        return [step for step in self._plan.steps if self._is_struck(step, path)]

    def __call__(self, path: str, pixels: Pixels, steps: list[StepPlan]) -> StruckImage[Pixels]:
        """Return the image after those of the steps that are on pixels; alpha is not among these."""
        side = side_of(pixels)
        ops = ((step.id, step.at_size(side)[0]) for step in steps if not step.on_image_file)
        acts = ((step, op, op.strike, "" if op.shared else path) for step, op in ops)
        return self._strike(pixels, acts, np.array_equal)

    def damage(self, path: str, data: bytes, steps: list[StepPlan]) -> StruckImage[bytes]:
        """Return the finished file of an image after those of the steps that are on files."""
        ops = ((step.id, step.corruption) for step in steps)
        acts = ((step, op, op.strike, path) for step, op in ops if isinstance(op, ImageFileCorruption))
        return self._strike(data, acts, bytes.__eq__)

    def _strike(self, value: T, acts: Iterable[Act[T]], same: Callable[[T, T], bool]) -> StruckImage[T]:
        drawn: dict[str, Any] = {}
        changed = []
        for step, op, strike, source in acts:
            generator = Stream(self._plan.seed, self._copy, step, source).generator("value", "", 0)
            new, got = strike(value, generator)
            if not same(new, value):
                changed.append(step)
            drawn[step] = {**op.model_dump(mode="json"), **got}
            value = new
        for step in changed:  # only now: a step that fails leaves the image as it was
            self.tally[step, ""].changed += 1
        return StruckImage(value, drawn, tuple(changed))

    def _is_struck(self, step: StepPlan, path: str) -> bool:
        counts = self.tally.setdefault((step.id, ""), Counts())
        if not step.admits(path):
            return False
        counts.eligible += 1
        stream = Stream(self._plan.seed, self._copy, step.id, path)
        if step.exact:
            keys = cell_keys(stream, "", 0)[:1]
            struck = bool(self._plan.quotas[step.id, "", self._copy].mask(keys, pa.nulls(1))[0])
        else:
            struck = bool(strike_cells(stream, "", 0, step.rate)[0])
        counts.struck += struck
        return struck
