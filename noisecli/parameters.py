"""What a recipe says, as fields of models: a scalar of YAML means what the field that takes it wants."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, ValidatorFunctionWrapHandler, field_validator


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
