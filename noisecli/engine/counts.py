"""What steps did, in numbers."""

from dataclasses import dataclass


@dataclass
class Counts:
    """What a step did to a column: cells, words, rows or images."""

    eligible: int = 0
    struck: int = 0
    changed: int = 0
    clipped: int = 0
    """Results that had to be brought into the range of the column's type."""
    inexact: int = 0
    """Integers that float64 cannot tell apart, left as they are."""
    void: int = 0
    """Struck, but an earlier step had already removed what was to be changed."""

    def add(self, other: "Counts") -> None:
        """Add what another slab counted."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


Tally = dict[tuple[str, str], Counts]
"""Counts by (step id, column)."""
