"""The contracts: what an op is given and what it gives back. One base class a kind, one registry for all.

An op is a frozen set of parameters (a pydantic model) and one pure function. It never handles rate, seed, nulls,
types, files or progress: the engine does. To add an op, write a class with `@register` in a module under
`noisecli/corruptions/`; the command line, the schema, the documentation and the tests find it there.

    class           gets                                         gives
    CellCorruption  the struck values of one column              as many new values
    TextCorruption  the struck words of one column               byte spans and what replaces them
    BlockCorruption the struck rows of a whole block             as many new ones
    RowsCorruption  which rows of a block are struck             how often each row comes out
    ImageCorruption the pixels of one struck image               new pixels
"""

import importlib
import math
import pkgutil
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import pyarrow as pa
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from noisecli.columns import ANY, NUMBER, TEXT, Column, Kind
from noisecli.streams import BlockDraws, CounterDraws, Floats, Mask
from noisecli.text import Edits, Spans, Text

Target = Literal["table", "images"]
Pixels = NDArray[np.uint8 | np.uint16]
"""Black is 0, white the largest value of the dtype."""
Preset = Mapping[str, Any]
"""One severity: values for some of an op's parameters, and perhaps the step's `rate`."""

ENTRY_POINTS = "noisecli.corruptions"


class Scalar(str):
    """A YAML scalar that is not text: its source, and the value that YAML gives it."""

    typed: Any

    def __new__(cls, source: str, typed: Any) -> "Scalar":
        self = super().__new__(cls, source)
        self.typed = typed
        return self

    def __getnewargs__(self) -> tuple[str, Any]:  # type: ignore[override]
        return str(self), self.typed


def plain(value: Any) -> Any:
    """Replace scalars by their YAML values, all the way down."""
    if isinstance(value, Scalar):
        return value.typed
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def as_text(value: Any) -> Any:
    """Replace scalars by their source, all the way down: `no`, `1900-01-01` and `007` stay what the user wrote."""
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_text(item) for key, item in value.items()}
    return str(value) if isinstance(value, (Scalar, int, float)) and not isinstance(value, bool) else value


class Parameters(BaseModel):
    """Base of everything that a recipe can say: frozen, no unknown keys, field docstrings are the documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _text_stays_text(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Take a scalar as what YAML makes of it; where the field wants text, as what the user wrote."""
        if _holds_model(cls.model_fields[str(info.field_name)].annotation) and not isinstance(value, str):
            return handler(value)  # the fields of the model inside see to themselves
        try:
            result = handler(plain(value))
            if isinstance(plain(value), bool) and type(result) in (int, float):
                raise ValueError("should be a number, not true or false")
            return result
        except ValueError:
            written = as_text(value)
            if written == plain(value):
                raise
            try:
                return handler(written)
            except ValueError:
                pass
            raise


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, Parameters)
    return any(_holds_model(part) for part in get_args(annotation))


class Corruption(Parameters):
    """Base of every op."""

    name: ClassVar[str]
    """What recipes call it: the class name in snake case."""
    target: ClassVar[Target]
    default_rate: ClassVar[float] = 1.0
    """Share struck when a step says nothing: 1 for noise, 0.1 for faults."""
    severities: ClassVar[tuple[Preset, ...]] = ()
    """Five presets, weak to strong; empty where strength has no natural order."""
    exact_by_default: ClassVar[bool] = False
    """Whether a step strikes an exact number of cells when it says nothing."""

    def code(self) -> str | None:
        """Function of the user's own that the op runs, as "module:name"; None: only noisecli's own code runs."""
        return None

    @classmethod
    def preset(cls, severity: int) -> Preset:
        """What a severity sets; 0 is clean."""
        return {"rate": 0.0} if severity == 0 else cls.severities[severity - 1]

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class TableCorruption(Corruption):
    """Base of every op that strikes a table's columns."""

    target = "table"
    accepts: ClassVar[frozenset[Kind]] = ANY
    """Kinds of column that the op can strike."""
    role: ClassVar[str | None] = None
    """The role whose column is struck when a step names no columns."""
    strikes_columns: ClassVar[bool] = True
    """False for ops on whole rows."""
    stratified: ClassVar[bool] = False
    """Whether an exact step strikes each category of the column in proportion."""
    unchanged: ClassVar[str] = "the new value equals the old one"
    """Why a struck cell may come out as it went in, for the warning."""

    def needs(self) -> frozenset[str]:
        """Facts of `Column` that `corrupt` reads.

        They are "mean", "sd", "min", "max", "q1", "median", "q3", "mode", "categories" and "counts".
        """
        return frozenset()

    def objection(self, column: Column) -> str | None:
        """Say why the op cannot strike a column of a kind that it accepts, "has too many values"; None: it can."""
        if self.needs() & {"categories", "counts"} and column.categories is None:
            return "has too many values to be categories"
        return None


class CellCorruption(TableCorruption):
    """Changes struck cells of one column."""

    as_number: ClassVar[bool] = False
    """True: values are float64 numbers. False: they are an Arrow array in the column's own type."""
    fills_nulls: ClassVar[bool] = False
    """Whether the op does not look at the old value, so that a step may strike missing cells: null, as a number NaN."""

    def corrupt(self, values: Any, column: Column, draws: BlockDraws) -> Any:
        """Return as many new values, in the form they came in; never change the input.

        Values hold no null, unless the op `fills_nulls`. A null in the result makes the cell missing.
        """
        raise NotImplementedError


class NumberCorruption(CellCorruption):
    """Changes struck numbers: float64 in, float64 out; the engine writes them in the column's type."""

    accepts = NUMBER
    as_number = True
    unchanged = "there is no change, or it is smaller than the column's resolution"

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        """Return as many new numbers."""
        raise NotImplementedError


class TextCorruption(TableCorruption):
    """Edits struck words of one text column; the step's rate is the share of words."""

    accepts = TEXT
    default_rate = 0.1

    def can_edit(self, text: Text, spans: Spans) -> Mask:
        """Say of each span whether the op can change it; the others are not eligible."""
        raise NotImplementedError

    def edit(self, text: Text, spans: Spans, draws: CounterDraws) -> Edits:
        """Return one edit for each span, in order; every span can be edited and must change."""
        raise NotImplementedError


class BlockCorruption(TableCorruption):
    """Changes all struck rows of a block at once; a row is struck in all columns of the step together."""

    def corrupt(
        self, rows: Mapping[str, pa.Array], columns: Mapping[str, Column], rng: Generator
    ) -> Mapping[str, pa.Array]:
        """Return as many new cells of each column, in its storage type; never change the input.

        The cells may be null. A null in the result makes the cell missing.
        """
        raise NotImplementedError


class RowsCorruption(TableCorruption):
    """Decides how often each row comes out."""

    strikes_columns = False
    default_rate = 0.1

    def times(self, struck: Mask) -> NDArray[np.intp]:
        """Say how often each row comes out where it stands: 0 drops it, 1 keeps it, 2 adds a clone.

        The rows are consecutive, but not always a whole block: the answer for a row must not depend on its neighbours.
        """
        raise NotImplementedError


class ImageCorruption(Corruption):
    """Changes the pixels of a struck image, in two steps: draw the parameters, then apply them."""

    target = "images"
    small_severities: ClassVar[Mapping[int, tuple[Preset, ...]]] = {}
    """Published severities for other sizes, by side length in px; `severities` are those for 224 px."""

    def draw(self, pixels: Pixels, rng: Generator) -> dict[str, Any]:
        """Draw what this image gets (positions, counts); the number of draws must not depend on strength."""
        return {}

    def apply(self, pixels: Pixels, drawn: Mapping[str, Any], rng: Generator) -> Pixels:
        """Return new pixels of the shape and dtype of those that came. Never change the input.

        Pixels are (height, width, channels), channels is 1 or 3; they are uint8 or uint16, and white is the largest
        value of their dtype: strength is a share of the range from black to white, not a number of levels.
        Per-pixel noise comes from `rng`, drawn for every pixel whatever the strength.
        """
        raise NotImplementedError

    @classmethod
    def preset_for(cls, severity: int, side: float) -> Preset:
        """What a severity sets on an image whose sides have the geometric mean `side`, in px.

        Between the published sizes numbers are interpolated in log side length; beyond them the nearest size holds.
        """
        largest = cls.preset(severity)
        if severity == 0 or not cls.small_severities:
            return largest
        tables = {**{size: rows[severity - 1] for size, rows in cls.small_severities.items()}, 224: largest}
        return {key: _between({size: row[key] for size, row in tables.items()}, side) for key in largest}


def _between(values: Mapping[int, float], side: float) -> float:
    sizes = sorted(values)
    if not sizes[0] < side < sizes[-1]:
        return values[sizes[0] if side <= sizes[0] else sizes[-1]]
    lower = max(size for size in sizes if size <= side)
    upper = min(size for size in sizes if size > side)
    # Rounded, because the last bit of a logarithm differs between mathematical libraries.
    share = round(math.log(side / lower) / math.log(upper / lower), 9)
    value = values[lower] + share * (values[upper] - values[lower])
    return round(value) if all(isinstance(v, int) for v in values.values()) else round(value, 9)


C = TypeVar("C", bound=type[Corruption])
_registry: dict[tuple[str, str], type[Corruption]] = {}
_loaded = False


def register(cls: C) -> C:
    """Make an op available to recipes under its class name in snake case."""
    cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    if (cls.target, cls.name) in _registry:
        raise ValueError(f"the {cls.target} op {cls.name} is registered twice")
    _registry[cls.target, cls.name] = cls
    return cls


def registered() -> dict[tuple[str, str], type[Corruption]]:
    """All ops by (target, name), sorted: the built-in ones and those of installed plug-ins."""
    global _loaded
    if not _loaded:
        _loaded = True
        package = importlib.import_module("noisecli.corruptions")
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        for plugin in entry_points(group=ENTRY_POINTS):
            plugin.load()
    return dict(sorted(_registry.items()))
