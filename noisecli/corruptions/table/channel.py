"""Faults between a sensor and its record: readings that get lost, and those of other channels that leak in."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from noisecli.columns import NUMBER, Column
from noisecli.corruption import CellCorruption, JointCorruption, Rows, register
from noisecli.streams import BlockDraws, Floats


@register
class Intermittent(CellCorruption):
    """Lose readings now and then while a bad stretch lasts: a loose contact, a weak radio link.

    With `mechanism: {burst: {length: 20}}` this is the channel of Gilbert and Elliott: `rate` is the share of rows in
    bad stretches, and in them each reading is lost with the chance `loss`; between them all is well.

    Source: Gilbert 1960, "Capacity of a Burst-Noise Channel"; Elliott 1963, "Estimates of Error Rates for Codes on
    Burst-Noise Channels".

    Example:
        {op: intermittent, columns: [height], rate: 0.2, loss: 0.5, mechanism: {burst: {length: 20}}}
    """

    default_rate = 0.1
    severities = ({"loss": 0.1}, {"loss": 0.25}, {"loss": 0.5}, {"loss": 0.75}, {"loss": 0.9})
    unchanged = ""

    loss: float = Field(0.5, ge=0, le=1)
    """Chance that a struck reading is lost, 0 to 1."""

    fill: Literal["null", "zero"] = "null"
    """What stands for a lost reading. null: it is missing; zero: 0, in columns of numbers."""

    def objection(self, column: Column) -> str | None:
        if self.fill == "zero" and column.kind not in NUMBER:
            return f"is {column.kind.value}, which has no 0"
        return None

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        lost = draws.uniform() < self.loss
        if self.fill == "null":  # taken, as that works for values of every type
            return values.take(pa.array(np.arange(len(values)), mask=lost))
        zeros = column.to_cells(np.zeros(len(values)))[0].cast(values.type)
        return pc.if_else(pa.array(lost), zeros, values)


@register
class CrossTalk(JointCorruption):
    """Let a share of another channel leak in: wires side by side, a multiplexer that has not settled.

    What leaks is how far the other channel is from its mean, in standard deviations of either: so it does not matter
    which units the columns have. It is read from the clean data, and where it is missing nothing leaks.

    Source: Ott 2009, "Electromagnetic Compatibility Engineering", chapter 2 (cabling: crosstalk).

    Example:
        {op: cross_talk, columns: [height, weight], share: 0.1}
    """

    accepts = NUMBER
    as_number = True
    together = False
    severities = ({"share": 0.02}, {"share": 0.05}, {"share": 0.1}, {"share": 0.2}, {"share": 0.5})
    unchanged = (
        "the other column is missing there or at its mean, or the change is smaller than the column's resolution"
    )

    share: float = Field(0.1, ge=-10, le=10)
    """How much leaks in: standard deviations of the column for one of the other; negative: with the sign reversed."""

    source: str | None = None
    """The number column that leaks. Left out, it is the next one of the step, and for the last one the first."""

    def reads(self) -> tuple[str, ...]:
        return () if self.source is None else (self.source,)

    def needs(self) -> frozenset[str]:
        return frozenset({"mean", "sd"})

    def needs_of_read(self) -> frozenset[str]:
        return self.needs()

    def objection(self, column: Column) -> str | None:
        return "cannot leak into itself" if column.name == self.source else None

    def objection_to_reading(self, column: Column) -> str | None:
        return None if column.kind in NUMBER else f"is {column.kind.value}, and only numbers leak"

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        return "takes two columns or more, or a `source`" if self.source is None and len(columns) == 1 else None

    def corrupt(
        self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]
    ) -> Mapping[str, Floats]:
        return {name: self._disturbed(name, values, rows, columns) for name, values in rows.cells.items()}

    def _disturbed(self, name: str, values: Floats, rows: Rows, columns: Mapping[str, Column]) -> Floats:
        names = list(columns)
        other = columns[self.source or names[(names.index(name) + 1) % len(names)]]
        off = (rows.clean[other.name] - other.mean) / other.sd if other.sd > 0 else np.zeros(len(values))
        return values + self.share * columns[name].sd * np.where(np.isfinite(off), off, 0.0)
