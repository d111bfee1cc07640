"""What a recipe says about the types of columns."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, ValidationInfo, field_validator

from noisecli.dates import check_format
from noisecli.parameters import Parameters

Dtype = Literal["integer", "float", "bool", "date", "datetime", "text"]


class ColumnType(Parameters):
    """What a column of a CSV file holds, and how it is written."""

    dtype: Dtype
    """Kind of column."""
    format: str | None = None
    """How dates and times are written where that is not ISO 8601, such as `%d.%m.%Y %H:%M`; of %Y %y %m %b %B %d %H %I
    %M %S %f %p %z %a %A, names in English."""

    @field_validator("format")
    @classmethod
    def _is_of_dates(cls, format: str | None, info: ValidationInfo) -> str | None:
        dtype = info.data.get("dtype")
        if dtype not in ("date", "datetime", None):
            raise ValueError(f"only date and datetime columns have one, not {dtype}")
        if format is not None:
            check_format(format, with_time=dtype != "date")
        return format


def _said_how(value: Any) -> str:
    return "written" if isinstance(value, (Mapping, ColumnType)) else "plain"


SaidType = Annotated[
    Annotated[Dtype, Tag("plain")] | Annotated[ColumnType, Tag("written")],
    Discriminator(_said_how),
]
