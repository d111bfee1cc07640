"""How a step chooses what it strikes: all alike (mcar), by the clean data (mar, mnar), in runs, by group, in a window.

A mechanism settles how likely each cell is; a uniform of the cell, or of its group, decides. So strikes nest over
rates, and the rate is what is expected over the whole column.
"""

from noisecli.mechanism.chooser import ByCurve, ByGroup, Chooser, InRuns, InTime, Runs, groups_of, strike_cells
from noisecli.mechanism.curve import BINS, CERTAIN, Curve, Histogram, Score, Tail
from noisecli.mechanism.pattern import Patterns
from noisecli.mechanism.window import Position, Ramp, Span

__all__ = [
    "BINS",
    "CERTAIN",
    "ByCurve",
    "ByGroup",
    "Chooser",
    "Curve",
    "Histogram",
    "InRuns",
    "InTime",
    "Patterns",
    "Position",
    "Ramp",
    "Runs",
    "Score",
    "Span",
    "Tail",
    "groups_of",
    "strike_cells",
]
