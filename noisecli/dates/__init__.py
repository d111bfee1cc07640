"""Dates and times written as text, in ISO 8601 or in a format that the user names.

The system's strptime is not asked: what it reads differs with the C library and the locale, and it takes the 30th of
February for the 1st of March. Names of months are English, everywhere.
"""

from noisecli.dates.formats import (
    DAY,
    DIRECTIVES,
    FIRST,
    LAST,
    Micros,
    check_format,
    days_in,
    interleaved,
    joined,
    split,
)
from noisecli.dates.reading import parse_times
from noisecli.dates.writing import in_format, put_dates, put_numbers, rounded, write_times, zone_offsets

__all__ = [
    "DAY",
    "DIRECTIVES",
    "FIRST",
    "LAST",
    "Micros",
    "check_format",
    "days_in",
    "in_format",
    "interleaved",
    "joined",
    "parse_times",
    "put_dates",
    "put_numbers",
    "rounded",
    "split",
    "write_times",
    "zone_offsets",
]
