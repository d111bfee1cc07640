"""A recipe settled on a dataset: which columns each step strikes, with which facts and quotas."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.columns import Column
from noisecli.corruption import BlockCorruption, Corruption, ImageCorruption, RowsCorruption
from noisecli.mechanism import Chooser
from noisecli.quota import Quota
from noisecli.streams import Mask
from noisecli.where import Where

TRAINING = frozenset({"train", "training"})
"""Values of a split column, and folder names, that mean training data (in any case)."""

QuotaKey = tuple[str, str, int]
"""(step id, column, copy)"""


@dataclass(frozen=True)
class StepPlan:
    """One step, ready to act."""

    id: str
    corruption: Corruption
    rate: float
    exact: bool = False
    columns: tuple[str, ...] = ()
    """Columns to strike, in the input's order; empty for rows and images."""
    severity: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the recipe gives beside the severity; on images a severity is settled by their size."""
    scaled: bool = False
    where: Where | None = None
    """Which rows may be struck; None: all."""
    decimals: int | None = None
    """Most decimals of a new number; None: those of the column."""

    def settle(self, column: Column) -> Column:
        """Return the column with the decimals that this step gives it."""
        if self.decimals is None or column.decimals is None:
            return column
        return replace(column, decimals=(min(column.decimals[0], self.decimals), self.decimals))

    def at_size(self, side: float) -> tuple[ImageCorruption, float]:
        """Return the op and the rate for an image whose sides have the geometric mean `side`, in px."""
        assert isinstance(self.corruption, ImageCorruption)
        if self.severity is None or not self.scaled:
            return self.corruption, self.rate
        return _at_size(type(self.corruption), self.severity, json.dumps(self.parameters), side), self.rate


@lru_cache(maxsize=1024)
def _at_size(op: type[ImageCorruption], severity: int, parameters: str, side: float) -> ImageCorruption:
    preset = {key: value for key, value in op.preset_for(severity, side).items() if key != "rate"}
    return op.model_validate({**preset, **json.loads(parameters)})


@dataclass(frozen=True)
class Plan:
    """All that a worker has to know."""

    seed: int
    steps: tuple[StepPlan, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)
    """Every column that a step strikes or that decides who is struck."""
    quotas: Mapping[QuotaKey, Quota] = field(default_factory=dict)
    split: str | None = None
    """Column whose rows are held out unless it says train; None: all rows are training rows."""
    choosers: Mapping[tuple[str, str], Chooser] = field(default_factory=dict)
    """Mechanisms by step id and column, "" for rows; where there is none it is mcar."""

    @property
    def whole_blocks(self) -> bool:
        """Whether a step has to see all of a block, so that a file cannot be shared out."""
        return any(isinstance(step.corruption, BlockCorruption) for step in self.steps)

    @property
    def scatters(self) -> bool:
        """Whether rows may come out at other places of their file."""
        steps = ((step.corruption, step.rate) for step in self.steps)
        return any(isinstance(op, RowsCorruption) and op.scatters() and rate > 0 for op, rate in steps)

    @property
    def touched(self) -> list[str]:
        """Columns to be read."""
        struck = [name for step in self.steps for name in step.columns]
        asked = [name for step in self.steps if step.where for name in step.where.columns]
        asked += [name for chooser in self.choosers.values() for name in chooser.reads]
        return list(dict.fromkeys([*struck, *asked, *([self.split] if self.split else [])]))


def training_rows(split: pa.Array) -> Mask:
    """Which rows a split column calls training data; a null is held out."""
    values = split.cast(pa.string()) if not pa.types.is_string(split.type) else split
    distinct = values.dictionary_encode()
    known = np.array([str(v).strip().lower() in TRAINING for v in distinct.dictionary.to_pylist()] + [False])
    codes = distinct.indices.fill_null(len(distinct.dictionary)).to_numpy(zero_copy_only=False)
    return np.asarray(known[codes], dtype=bool)
