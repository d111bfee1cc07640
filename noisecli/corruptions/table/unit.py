"""Numbers in the wrong unit."""

from fractions import Fraction
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from noisecli.columns import Column
from noisecli.corruption import register
from noisecli.corruptions.table.outlier import NumberFault
from noisecli.streams import BlockDraws, Floats


class Unit(NamedTuple):
    """A unit of measurement: (x + zero) * size is x in the first unit of its quantity."""

    quantity: str
    size: Fraction
    zero: Fraction


_SIZES = {
    "temperature": {"K": "1", "C": "1 273.15", "F": "5/9 459.67"},
    "mass": {
        "kg": "1",
        "g": "1/1000",
        "mg": "1/1000000",
        "lb": "0.45359237",
        "oz": "0.028349523125",
        "st": "6.35029318",
    },
    "length": {
        "m": "1",
        "mm": "1/1000",
        "cm": "1/100",
        "km": "1000",
        "in": "0.0254",
        "ft": "0.3048",
        "yd": "0.9144",
        "mi": "1609.344",
        "nmi": "1852",
    },
    "area": {"m2": "1", "ft2": "0.09290304", "ha": "10000", "acre": "4046.8564224", "km2": "1000000"},
    "volume": {"l": "1", "ml": "1/1000", "m3": "1000", "gal": "3.785411784", "gal_uk": "4.54609"},
    "speed": {"m/s": "1", "km/h": "5/18", "mph": "0.44704", "kn": "463/900", "ft/s": "0.3048"},
    "pressure": {"Pa": "1", "hPa": "100", "kPa": "1000", "bar": "100000", "atm": "101325", "mmHg": "133.322387415"},
    "energy": {"J": "1", "kJ": "1000", "cal": "4.184", "kcal": "4184", "kWh": "3600000"},
    "time": {"s": "1", "ms": "1/1000", "min": "60", "h": "3600", "d": "86400"},
    "share": {"fraction": "1", "percent": "1/100", "permille": "1/1000"},
}
"""Size and, where it is not 0, zero of each unit (NIST Special Publication 811)."""

UNITS = {
    name: Unit(quantity, Fraction(text.split()[0]), Fraction(text.partition(" ")[2] or 0))
    for quantity, sizes in _SIZES.items()
    for name, text in sizes.items()
}


def _known(name: str) -> str:
    if name not in UNITS:
        raise ValueError(f"unknown unit {name!r}; known are {', '.join(UNITS)}")
    return name


UnitName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(UNITS)})]


@register
class WrongUnit(NumberFault):
    """Write numbers in another unit than the column's: 37 degrees Celsius as 98.6 Fahrenheit.

    Units: K C F (temperature), kg g mg lb oz st, m mm cm km in ft yd mi nmi, m2 ft2 ha acre km2, l ml m3 gal gal_uk,
    m/s km/h mph kn ft/s, Pa hPa kPa bar atm mmHg, J kJ cal kcal kWh, s ms min h d, fraction percent permille. For
    others there are `scale` and `offset`.

    Source: Mars Climate Orbiter Mishap Investigation Board 1999, "Phase I Report"; factors from NIST Special
    Publication 811.

    Example:
        {op: wrong_unit, columns: [temperature], from_unit: C, to_unit: F, rate: 0.1}
    """

    from_unit: UnitName | None = None
    """Unit of the column."""

    to_unit: UnitName | None = None
    """Unit that struck numbers come out in; one of the same quantity."""

    scale: float = 1.0
    """What numbers are multiplied by, instead of two units."""

    offset: float = 0.0
    """What is added to the product, in the new unit; also instead of two units."""

    @model_validator(mode="after")
    def _one_conversion(self) -> "WrongUnit":
        units = [key for key in ("from_unit", "to_unit") if getattr(self, key) is not None]
        given = [key for key in ("scale", "offset") if key in self.model_fields_set]
        if units and given:
            raise ValueError(f"'{given[0]}' stands instead of 'from_unit' and 'to_unit': give one of the two")
        if not given and len(units) < 2:
            raise ValueError("needs 'from_unit' and 'to_unit', or 'scale' and 'offset'")
        if given and self.scale == 0:
            raise ValueError("a scale of 0 makes all numbers alike: for that there is the op `constant`")
        if given and (self.scale, self.offset) == (1, 0):
            raise ValueError("scale 1 and offset 0 change nothing")
        return self

    @model_validator(mode="after")
    def _comparable(self) -> "WrongUnit":
        if self.from_unit is None or self.to_unit is None:
            return self
        one, other = UNITS[self.from_unit].quantity, UNITS[self.to_unit].quantity
        if one != other:
            raise ValueError(f"{self.from_unit} is a unit of {one}, {self.to_unit} of {other}")
        if self.from_unit == self.to_unit:
            raise ValueError("'from_unit' and 'to_unit' are the same")
        return self

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        if self.from_unit is None or self.to_unit is None:
            return values * self.scale + self.offset
        old, new = UNITS[self.from_unit], UNITS[self.to_unit]
        ratio = old.size / new.size
        shift = float(old.zero * ratio - new.zero)
        # A product and a quotient of whole numbers: 10 km/h are 36 / 3.6 and not 35.99999.
        return values * float(ratio.numerator) / float(ratio.denominator) + shift
