"""Rows that come out more than once, not at all, or elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from noisecli.columns import NUMBER, Column, Kind
from noisecli.corruption import CellCorruption, RowsCorruption, TextCorruption, register
from noisecli.corruptions.table.entry import DigitError
from noisecli.corruptions.table.missing import Missing
from noisecli.corruptions.table.typo import Typo
from noisecli.streams import CounterDraws, Mask


@register
class Duplicate(RowsCorruption):
    """Repeat rows, exactly or with errors: records entered or delivered twice.

    With `errors` a clone is a near duplicate, as record linkage has to find them: so many of its fields are wrong,
    drawn among the step's columns (all without a role, if it names none) that hold a value in that row. A text gets a
    typo in one word, a number one wrong digit, anything else is lost. A truth file tells which rows belong together:
    those whose lines have the same `file` and `row`.

    Source: Christen 2012, "Data Matching".

    Example:
        {op: duplicate, rate: 0.05}
    """

    severities = ({"rate": 0.01}, {"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.4})

    clones: PositiveInt = Field(1, le=1_000_000)
    """Clones of each struck row."""
    errors: NonNegativeInt = 0
    """Wrong fields of each clone; 0: it is exact. A row that holds fewer values gets as many as it can."""
    place: Literal["adjacent", "random"] = "adjacent"
    """adjacent: a clone stands right after its source; random: anywhere in the file, which is then written twice."""

    def looks_at(self) -> Sequence[str] | None:
        return ("all",) if self.errors else None

    def times(
        self, struck: Mask, cells: Mapping[str, pa.Array], columns: Mapping[str, Column], draws: CounterDraws
    ) -> NDArray[np.intp]:
        return np.where(struck, 1 + self.clones, 1)

    def wrong_fields(self, able: Mapping[str, Mask], draws: Mapping[str, CounterDraws]) -> Mapping[str, Mask]:
        if not able:
            return {}
        # Each field has a place of its own in the queue: more errors strike what fewer strike, and others besides.
        queue = np.stack([np.where(able[name], draws[name].uniform(), 2.0) for name in able])
        places = np.argsort(np.argsort(queue, axis=0, kind="stable"), axis=0, kind="stable")
        return {name: (places[i] < self.errors) & able[name] for i, name in enumerate(able)}

    def error(self, column: Column) -> CellCorruption | TextCorruption | None:
        if self.errors == 0:
            return None
        if column.kind is Kind.TEXT:
            return Typo()
        return DigitError() if column.kind in NUMBER else Missing()

    def scatters(self) -> bool:
        return self.place == "random"

    def scattered(self, struck: Mask, clones: Mask) -> Mask:
        return clones


@register
class Drop(RowsCorruption):
    """Leave rows out: records that were lost, or that never got into the sample.

    With a mechanism such as `mar: {columns: income}` the sample is biased, as where the rich do not answer.

    Source: Heckman 1979, "Sample Selection Bias as a Specification Error".

    Example:
        {op: drop, rate: 0.1}
    """

    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.35}, {"rate": 0.5})

    def times(
        self, struck: Mask, cells: Mapping[str, pa.Array], columns: Mapping[str, Column], draws: CounterDraws
    ) -> NDArray[np.intp]:
        return np.where(struck, 0, 1)


@register
class Shuffle(RowsCorruption):
    """Put rows at random places of their file: the order that they came in is lost.

    At rate 1 every order of the rows is as likely as any other; at a lower rate the rows that are not struck keep their
    order, as held-out rows always do. Models that learn from one row after another depend on that order, and splits by
    position and windows over time assume one.

    Source: Bengio 2012, "Practical Recommendations for Gradient-Based Training of Deep Architectures", section 3.1.

    Example:
        {op: shuffle}
    """

    default_rate = 1.0

    def scatters(self) -> bool:
        return True

    def scattered(self, struck: Mask, clones: Mask) -> Mask:
        return struck
