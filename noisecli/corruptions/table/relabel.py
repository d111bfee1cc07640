"""What ops on categories share: each value has some others that it may become, and a struck cell draws one of them."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from noisecli import celltext
from noisecli.columns import NUMBER, TEXT, Column, Kind
from noisecli.corruption import CellCorruption
from noisecli.streams import BlockDraws, Floats, uniform_choice

Weighted = Mapping[Any, float]
"""Values that one value may become, with positive weights; empty: it stays."""

RATES = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.3}, {"rate": 0.4})
"""Severities of ops on categories."""


def _some(tokens: tuple[str, ...]) -> tuple[str, ...]:
    if not tokens:
        raise ValueError("needs at least one")
    return tokens


Tokens = Annotated[tuple[str, ...], AfterValidator(_some)]
"""At least one text, whatever YAML would make of it."""

SHOWN = 8
"""So many categories are listed in a message."""

LONGEST_SHOWN = 100
"""Characters of a category that are shown there."""


class Relabel(CellCorruption):
    """Base of ops for which a value alone decides what it may become."""

    accepts = TEXT
    default_rate = 0.1

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        return relabel(values, draws.uniform(), self.alternatives(column))

    @abstractmethod
    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        """Return a function that says what a value of the column may become."""


def relabel(values: pa.Array, uniform: Floats, alternatives: Callable[[Any], Weighted]) -> pa.Array:
    """Replace each value by one of its alternatives, in proportion to their weights."""
    encoded = values.dictionary_encode()
    olds = encoded.dictionary.to_pylist()
    rows = [dict(alternatives(old)) or {old: 1.0} for old in olds]
    if not rows:
        return values
    lasts = np.cumsum([len(row) for row in rows]) - 1
    # Row i has the stretch from i to i + 1, cut in proportion to the weights.
    edges = np.concatenate([i + _shares(list(row.values())) for i, row in enumerate(rows)])
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    chosen = np.minimum(np.searchsorted(edges, codes + uniform, side="right"), lasts[codes])
    return pa.array([new for row in rows for new in row], values.type).take(pa.array(chosen))


def _shares(weights: Sequence[float]) -> Floats:
    """Where the share of each weight ends, between 0 and 1."""
    running = np.cumsum(weights, dtype=np.float64)
    return np.asarray(running / running[-1], dtype=np.float64)


def put_tokens(values: pa.Array, tokens: pa.Array, uniform: Floats) -> pa.Array:
    """Replace each value by a token, all alike; one that it equals already gives way to the next."""
    tokens = pc.unique(tokens)
    if len(tokens) == 0:
        return values
    chosen = uniform_choice(len(tokens), uniform)
    same = pc.equal(tokens.take(pa.array(chosen)), values).to_numpy(zero_copy_only=False).astype(bool)
    return tokens.take(pa.array((chosen + same) % len(tokens)))


def label_of(category: object) -> str:
    """How recipes call a category."""
    return str(category).lower() if isinstance(category, bool) else str(category)


def by_label(column: Column) -> dict[str, object]:
    """The categories of a column by how recipes call them."""
    return {label_of(category): category for category in column.categories or ()}


def lacks(labels: Iterable[str], column: Column) -> str | None:
    """Say which of some labels is no category of the column; None: all are."""
    known = by_label(column)
    unknown = next((label for label in labels if label not in known), None)
    if unknown is None:
        return None
    return f"has no category {unknown!r}; {listed(column)}"


def listed(column: Column) -> str:
    """List the first categories of a column."""
    known = list(by_label(column))
    shown = (label if len(label) <= LONGEST_SHOWN else f"{label[: LONGEST_SHOWN - 3]}..." for label in known[:SHOWN])
    return f"it has {', '.join(shown) or 'none'}" + (", ..." if len(known) > SHOWN else "")


def to_cells(tokens: Sequence[str], type_: pa.DataType) -> pa.Array:
    """Write tokens in the storage type of a column; a time without a zone is taken for UTC.

    Raises:
        pa.ArrowInvalid, pa.ArrowNotImplementedError: the type cannot hold one of them.
    """
    bare = pa.timestamp(type_.unit) if pa.types.is_timestamp(type_) else type_
    return pa.array(tokens, pa.string()).cast(bare).cast(type_)


def unfit(tokens: Iterable[str], type_: pa.DataType) -> list[str]:
    """Return the tokens that the type cannot hold."""
    return [token for token in tokens if not _fits(token, type_)]


def _fits(token: str, type_: pa.DataType) -> bool:
    try:
        to_cells([token], type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def text_among(tokens: Iterable[str], column: Column) -> str | None:
    """Name the first token for which the column has to become text, since its type cannot hold it; None: there is none.

    A number that is too large or too fine for a type of numbers is no reason to: see `cannot_hold`.
    """
    return next((token for token in unfit(tokens, column.storage) if not _is_number(token, column)), None)


def cannot_hold(tokens: Iterable[str], column: Column) -> str | None:
    """Say which token the column cannot hold, and need not become text for; None: there is none."""
    bad = unfit(tokens, column.storage)
    if column.kind is not Kind.OTHER:
        bad = [token for token in bad if _is_number(token, column)]
    return f"is stored as {column.storage}, which cannot hold {bad[0]!r}" if bad else None


def _is_number(token: str, column: Column) -> bool:
    return column.kind in NUMBER and re.search(celltext.NUMBER, token) is not None
