"""What a recipe says, as fields of models: a scalar of YAML means what the field that takes it wants."""

import ast
import inspect
import re
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

MICROSECONDS = {"ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6, "w": 604800 * 10**6}
"""Microseconds in a unit of time."""

LONGEST = 2**62
"""The longest duration in microseconds: 146,000 years."""

MOST_ROWS = 10**12
"""The largest length in rows."""

_DURATION = re.compile(rf"([0-9]+(?:\.[0-9]+)?) *({'|'.join(MICROSECONDS)})")


Share = Annotated[float, Field(ge=0, le=1)]
"""A share, 0 .. 1."""


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

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _text_stays_text(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Take a scalar as what YAML makes of it; where the field wants text, as what the user wrote."""
        if not _is_whole(value):
            raise ValueError("holds half of a surrogate pair, which is no text")
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

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        # Pydantic itself would read the docstrings of all models at every start, which takes longer than all the rest.
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _docstrings(cls).items():
            field = properties.get(cls.model_fields[name].alias or name) if name in cls.model_fields else None
            if field is not None and cls.model_fields[name].description is None:
                field["description"] = text
        return schema


@cache
def _docstrings(cls: type[BaseModel]) -> dict[str, str]:
    """What stands below each field of a model, those that it inherits included."""
    texts: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if not issubclass(owner, Parameters) or owner is Parameters:
            continue
        model = _classes(owner.__module__).get(owner.__qualname__)
        for field, below in pairwise(model.body if model is not None else ()):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                texts.pop(field.target.id, None)
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    texts[field.target.id] = inspect.cleandoc(str(below.value.value))
    return texts


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module by name, as they are written; none where it was typed in."""
    try:
        found: dict[str, ast.AST] = {"": ast.parse(inspect.getsource(sys.modules[module]))}
    except (OSError, TypeError, KeyError):
        return {}
    classes: dict[str, ast.ClassDef] = {}
    while found:
        name, owner = found.popitem()
        for node in ast.iter_child_nodes(owner):
            if isinstance(node, ast.ClassDef):
                found[f"{name}.{node.name}".lstrip(".")] = node
                classes[f"{name}.{node.name}".lstrip(".")] = node
            elif isinstance(node, ast.FunctionDef):
                found[f"{name}.{node.name}.<locals>".lstrip(".")] = node
    return classes


def _is_whole(value: Any) -> bool:
    """Whether every text in a value can be written."""
    if isinstance(value, Mapping):
        return all(map(_is_whole, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_is_whole, value))
    return not isinstance(value, str) or not any("\ud800" <= sign <= "\udfff" for sign in value)


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, Parameters)
    return any(_holds_model(part) for part in get_args(annotation))


class Duration(str):
    """A length of time as it is written, `5min` or `1.5h`: a number above 0 and one of the units of MICROSECONDS."""

    micros: int
    """The same in microseconds, at least 1."""

    def __new__(cls, text: str) -> "Duration":
        """Take a text, or raise ValueError where it is none."""
        said = _DURATION.fullmatch(text)
        if said is None:
            raise ValueError(f"{text!r} is neither a number of rows nor a duration as in 7d, 24h, 30min, 5s or 500ms")
        self = super().__new__(cls, text)
        self.micros = round(min(float(said[1]) * MICROSECONDS[said[2]], LONGEST))
        if self.micros == 0:
            raise ValueError(f"{text!r} should be a microsecond at least")
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(cls, handler(str))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_DURATION.pattern}$"}


def _rows_or_time(value: Any) -> str:
    return "time" if isinstance(value, str) else "rows"


N = TypeVar("N", int, float)

LengthOf = Annotated[
    Annotated[N, Field(ge=1, le=MOST_ROWS), Tag("rows")] | Annotated[Duration, Tag("time")],
    Discriminator(_rows_or_time),
]

Length = LengthOf[int]
"""A stretch of a series: so many rows, or so much time, for which the recipe must say `data: {time: ...}`."""

MeanLength = LengthOf[float]
"""The mean of such stretches."""
