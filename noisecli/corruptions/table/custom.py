"""Steps that run a function of the user's own."""

import importlib
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.random import Generator
from pydantic import Field

from noisecli.columns import ANY, NUMBER, Column, Kind
from noisecli.corruption import BlockCorruption, register
from noisecli.errors import RecipeProblem

if TYPE_CHECKING:
    import pandas as pd


@register
class Custom(BlockCorruption):
    """Run a function of your own on the struck rows; only with --allow-code, and a replay depends on it.

    It is called as `function(rows, rng)` for each block of 16,384 consecutive rows of a file in which rows are struck.
    `rows` is a pandas DataFrame of these, with the columns of the step: numbers as float64, NaN where one is missing;
    in a CSV file everything else as text, as it is written there. `rng` is a numpy Generator, to be its only source of
    randomness. It returns as many rows of the same columns in the same order. A cell that is equal to what came in
    stays byte for byte; None or NaN makes a cell missing. What a lower rate strikes a higher one strikes too, but not
    in the same way.

    Source: your own.

    Example:
        {op: custom, columns: [age, income], function: "examples.damage:misplace", rate: 0.1}
    """

    accepts = ANY - {Kind.OTHER}
    unchanged = "the function returned the same value, or the row has no such key"

    function: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]
    """Which function, as "module:name"; the module is looked for in the working directory, then where Python looks."""

    def code(self) -> str:
        return self.function

    def corrupt(
        self, rows: Mapping[str, pa.Array], columns: Mapping[str, Column], rng: Generator
    ) -> Mapping[str, pa.Array]:
        import pandas as pd

        frame = pd.DataFrame({name: _to_series(cells, columns[name]) for name, cells in rows.items()})
        result = self._call(frame, rng)
        return {name: self._to_cells(result[name], frame[name], rows[name], columns[name]) for name in rows}

    def _call(self, frame: "pd.DataFrame", rng: Generator) -> "pd.DataFrame":
        function = load(self.function)
        try:
            with redirect_stdout(sys.stderr):  # the data, or a JSON object, may go to stdout
                result = function(frame.copy(), rng)
        except (Exception, SystemExit) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise self._fault(f"failed with {what}{_line(function, error)}") from error
        if type(result) is not type(frame):
            raise self._fault(f"returned {type(result).__name__}, not a DataFrame")
        if len(result) != len(frame) or list(result.columns) != list(frame.columns):
            raise self._fault(f"was given {_size(frame)}, and returned {_size(result)}: they must agree")
        return result

    def _to_cells(self, new: "pd.Series[Any]", old: "pd.Series[Any]", cells: pa.Array, column: Column) -> pa.Array:
        """The cells with what the function changed, in the column's storage type."""
        import pandas as pd

        try:
            if column.kind not in NUMBER:
                return pa.array(new, cells.type, from_pandas=True)
            if new.dtype.kind in "mMc":  # pandas makes numbers of times, and drops what is imaginary
                raise TypeError(f"cells of {new.dtype}")
            values = np.asarray(pd.to_numeric(new), np.float64)
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            raise self._fault(f"returned what column {column.name!r} cannot hold: {error}") from error
        known = old.to_numpy()
        changed = (values != known) & ~(np.isnan(values) & np.isnan(known))
        lost = np.isnan(values)
        with np.errstate(over="ignore"):
            written, settled, clipped = column.to_cells(np.where(changed & ~lost, values, 0))
        if clipped.any():
            raise self._fault(
                f"returned {values[clipped][0]:g}, too large for column {column.name!r} ({column.storage})"
            )
        written = pc.if_else(pa.array(lost), pa.scalar(None, cells.type), written)
        return pc.if_else(pa.array(changed & (lost | (settled != known))), written, cells)

    def _fault(self, what: str) -> RecipeProblem:
        return RecipeProblem(f"{self.function}: {what}")


@lru_cache
def load(function: str) -> Callable[..., Any]:
    """Import a function that is given as "module:name".

    Raises:
        RecipeProblem: there is no such module or function, or the module fails.
    """
    module, _, name = function.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            found = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:
        raise RecipeProblem(f"{function}: cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise RecipeProblem(f"{function}: module {module!r} has no function {name!r}")
    return found  # type: ignore[no-any-return]


def _to_series(cells: pa.Array, column: Column) -> "pd.Series[Any]":
    import pandas as pd

    if column.kind in NUMBER:
        return pd.Series(column.to_numbers(cells))
    if column.kind is Kind.TEXT or column.storage == pa.string():
        return pd.Series(cells.to_pylist(), dtype=object)
    series: pd.Series[Any] = cells.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    return series


def _line(function: Callable[..., Any], error: BaseException) -> str:
    """Where in the function's own file it failed."""
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if code is not None and frame.filename == code.co_filename]
    return f" (line {lines[-1]})" if lines else ""


def _size(frame: "pd.DataFrame") -> str:
    return f"{len(frame)} rows of {', '.join(map(str, frame.columns[:8]))}"
