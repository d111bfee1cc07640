"""Corrupt one image, and damage its file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.random import Generator

from noisecli.corruption import Corruption, ImageCorruption, ImageFileCorruption, MixingCorruption, Pixels
from noisecli.engine.counts import Counts, Tally
from noisecli.engine.memory import keep_freed_memory
from noisecli.mechanism import strike_cells
from noisecli.pixels import side_of
from noisecli.plan import Plan, StepPlan, clone_address, source_address
from noisecli.quota import cell_keys
from noisecli.streams import Stream

T = TypeVar("T")

Act = tuple[str, Corruption, Callable[[T, Generator], tuple[T, dict[str, Any]]], str]
"""Step id, op, how it strikes, and the address that its random numbers go by."""

Partner = Callable[[StepPlan, Pixels], Pixels]
"""Gives the image that a step mixes one with, in the frame of that one."""

Clones = Sequence[tuple[StepPlan, int]]
"""The steps that made a clone, each with its number among the clones of what it was made from."""


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
        keep_freed_memory()
        self._plan = plan
        self._copy = copy
        self.tally: Tally = {}

    def strikes(self, address: str, label: str | None = None) -> list[StepPlan]:
        """Return the steps that strike an image's pixels and file; the pixels are not needed for that.

        Args:
            address: of the image. That of a clone has only steps on files, as its source has had the others.
            label: its class, if it has one.
        """
        is_clone = address != source_address(address)
        steps = (step for step in self._plan.steps if not step.on_image_set and (step.on_image_file or not is_clone))
        return [step for step in steps if self.is_struck(step, address, label)]

    def is_struck(self, step: StepPlan, address: str, label: str | None) -> bool:
        """Say whether a step strikes an image, and count that."""
        counts = self.tally.setdefault((step.id, ""), Counts())
        if not step.admits(source_address(address)) or (step.needs_class and label is None):
            return False
        counts.eligible += 1
        stream = Stream(self._plan.seed, self._copy, step.id, address)
        if step.exact:
            key = int(cell_keys(stream, "", 0, 1)[0])
            struck = self._plan.quotas[step.id, "", self._copy].strikes(key, label)
        else:
            struck = bool(strike_cells(stream, "", 0, step.rate)[0])
        counts.struck += struck
        return struck

    def __call__(
        self, address: str, pixels: Pixels, steps: Sequence[StepPlan], partner: Partner | None = None
    ) -> StruckImage[Pixels]:
        """Return the image after those of the steps that are on pixels; alpha is not among these."""
        acts = (self._act(step, address, pixels, partner) for step in steps if not step.on_image_file)
        return self._strike(pixels, acts, np.array_equal)

    def clone(self, address: str, pixels: Pixels, clones: Clones) -> StruckImage[Pixels]:
        """Return what becomes of an image, as steps have left it, in a clone of it."""
        acts = []
        for step, number in clones:  # each is a clone of what the one before it made
            address = clone_address(address, step.id, number)
            acts.append(self._act(step, address, pixels, None))
        return self._strike(pixels, acts, np.array_equal)

    def damage(self, address: str, data: bytes, steps: Sequence[StepPlan]) -> StruckImage[bytes]:
        """Return the finished file of an image after those of the steps that are on files."""
        ops = ((step.id, step.corruption) for step in steps)
        acts = ((step, op, op.strike, address) for step, op in ops if isinstance(op, ImageFileCorruption))
        return self._strike(data, acts, bytes.__eq__)

    def _act(self, step: StepPlan, address: str, pixels: Pixels, partner: Partner | None) -> Act[Pixels]:
        op = step.at_size(side_of(pixels))[0]
        return step.id, op, self._striker(step, op, partner), "" if op.shared else address

    def _striker(
        self, step: StepPlan, op: ImageCorruption, partner: Partner | None
    ) -> Callable[[Pixels, Generator], tuple[Pixels, dict[str, Any]]]:
        if not isinstance(op, MixingCorruption):
            return op.strike
        assert partner is not None
        return lambda pixels, rng: op.strike_with(pixels, partner(step, pixels), rng)

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
            self.tally.setdefault((step, ""), Counts()).changed += 1
        return StruckImage(value, drawn, tuple(changed))
