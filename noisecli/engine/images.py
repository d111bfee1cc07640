"""Corrupt one image, and damage its file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from noisecli.corruption import ImageFileCorruption, Pixels
from noisecli.engine.counts import Counts, Tally
from noisecli.mechanism import strike_cells
from noisecli.pixels import side_of
from noisecli.plan import Plan, StepPlan
from noisecli.quota import cell_keys
from noisecli.streams import Stream


@dataclass(frozen=True)
class StruckImage:
    """What became of the pixels of an image."""

    pixels: Pixels
    drawn: dict[str, Any]
    """Step id to what the image got: the op's parameters at its size, and what was drawn."""
    changed: tuple[str, ...]
    """Steps that really changed pixels."""


@dataclass(frozen=True)
class StruckFile:
    """What became of the finished file of an image."""

    data: bytes
    drawn: dict[str, Any]
    """As of its pixels."""
    changed: tuple[str, ...]
    """Steps that really changed bytes."""


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
        """Return the image after those of the steps that are on pixels; alpha is not among these."""
        side = side_of(pixels)
        drawn: dict[str, Any] = {}
        changed = []
        for step in steps:
            if step.on_image_file:
                continue
            op, _ = step.at_size(side)
            new, got = op.strike(pixels, self._generator("" if op.shared else path, step))
            if not np.array_equal(new, pixels):
                changed.append(step.id)
            drawn[step.id] = {**op.model_dump(mode="json"), **got}
            pixels = new
        self._count(changed)
        return StruckImage(pixels, drawn, tuple(changed))

    def damage(self, path: str, data: bytes, steps: list[StepPlan]) -> StruckFile:
        """Return the finished file of an image after those of the steps that are on files."""
        drawn: dict[str, Any] = {}
        changed = []
        for step in steps:
            op = step.corruption
            if not isinstance(op, ImageFileCorruption):
                continue
            new, got = op.strike(data, self._generator(path, step))
            if new != data:
                changed.append(step.id)
            drawn[step.id] = {**op.model_dump(mode="json"), **got}
            data = new
        self._count(changed)
        return StruckFile(data, drawn, tuple(changed))

    def _generator(self, path: str, step: StepPlan) -> Generator:
        return Stream(self._plan.seed, self._copy, step.id, path).generator("value", "", 0)

    def _count(self, changed: list[str]) -> None:
        for step in changed:
            self.tally[step, ""].changed += 1

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
