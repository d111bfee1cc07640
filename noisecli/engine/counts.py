"""What steps did, in numbers."""

from collections import Counter
from dataclasses import dataclass, field

Transitions = Counter[tuple[int, int]]
"""How often one category of a column became another one, by their numbers."""


@dataclass
class Counts:
    """What a step did to a column: cells, parts of texts, rows or images."""

    eligible: int = 0
    struck: int = 0
    changed: int = 0
    clipped: int = 0
    """Results that had to be brought into the range of the column's type."""
    inexact: int = 0
    """Integers that float64 cannot tell apart, left as they are."""
    void: int = 0
    """Struck, but an earlier step had already removed what was to be changed."""
    characters: int = 0
    """Code points of the texts that a step may edit."""
    edited: int = 0
    """Code points that edits replaced, added or removed: edit distance, for the character error rate."""
    transitions: Transitions = field(default_factory=Counter)
    """Of changed cells, for ops that tell."""

    def add(self, other: "Counts") -> None:
        """Add what another slab counted."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def numbers(self) -> dict[str, int]:
        """Return the counts by name; those of characters only where there are any."""
        left_out = {"transitions"} if self.characters else {"transitions", "characters", "edited"}
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in left_out}


Tally = dict[tuple[str, str], Counts]
"""Counts by (step id, column)."""
