"""What came of checking a truth file, and whether it tells the truth about images."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from noisecli.compare.align import truth_lines
from noisecli.compare.images import Looked
from noisecli.compare.sides import Pair, Sides

MOST_LIES = 1000
"""More are counted, and not told of."""


@dataclass
class Verdict:
    """What came of checking a truth file."""

    lines: int = 0
    """Lines about this copy."""
    unchecked: int = 0
    """Lines that cannot be held against the data, such as those about the text of a file."""
    count: int = 0
    """How many lies were found."""
    lies: list[str] = field(default_factory=list)
    """The first of them."""
    notes: list[str] = field(default_factory=list)
    """What was not checked, and why."""

    def lie(self, said: str) -> None:
        """Take down what is wrong."""
        self.lie_each([0], lambda _: said)

    def lie_each(self, places: Iterable[int], say: Callable[[int], str]) -> None:
        """Take down what is wrong in each of some places."""
        found = list(places)
        self.count += len(found)
        self.lies += [say(place) for place in found[: MOST_LIES - len(self.lies)]]


def check_lines(sides: Sides, verdict: Verdict) -> None:
    """Check that the truth file has as many lines as the manifest says, none about a file that is not there."""
    assert sides.truth is not None
    assert sides.manifest is not None
    with pq.ParquetFile(sides.truth) as file:
        found = file.metadata.num_rows
    said = None if sides.manifest.truth is None else sides.manifest.truth.rows
    if said is not None and said != found:
        verdict.lie(f"the truth file has {found:,} lines, the manifest says {said:,}")


def check_image(sides: Sides, pair: Pair, looked: Looked, verdict: Verdict) -> None:
    """Check what the truth says of one image."""
    found = [line for lines in truth_lines(sides, pair, ["step", "drawn"]) for line in lines.to_pylist()]
    verdict.lines += len(found)
    drawn = {} if pair.entry is None or pair.entry.drawn is None else pair.entry.drawn
    if not found and not looked.same_pixels:
        verdict.lie(f"{pair.name}: its pixels differ, and no line says so")
    if found and looked.same_bytes:
        verdict.lie(f"{pair.name}: is said to have changed, and is the clean file")
    for line in found:
        step, said = line["step"], line["drawn"]
        if step not in drawn or said is None or json.loads(said) != drawn[step]:
            verdict.lie(f"{pair.name}: what step {step!r} drew is not what the manifest says")
