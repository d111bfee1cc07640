"""What came of checking a truth file, and whether it tells the truth about images."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from noisecli.compare.align import batches, truth_lines
from noisecli.compare.images import Looked
from noisecli.compare.sides import Pair, Sides
from noisecli.corruption import CloningCorruption, Corruption
from noisecli.formats.images import EXTENSIONS
from noisecli.manifest import digest
from noisecli.run.truth import SCHEMA

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
    """Check that the truth file has as many lines as the manifest says."""
    assert sides.truth is not None
    assert sides.manifest is not None
    found = sum(len(lines) for lines in batches(sides.truth, [SCHEMA.field("step")]))
    said = None if sides.manifest.truth is None else sides.manifest.truth.rows
    if said is not None and said != found:
        verdict.lie(f"the truth file has {found:,} lines, the manifest says {said:,}")


def check_image(sides: Sides, pair: Pair, looked: Looked, verdict: Verdict) -> None:
    """Check what the truth says of one image."""
    drawn = {} if pair.entry is None or pair.entry.drawn is None else pair.entry.drawn
    lines = list(_lines(sides, pair))
    # What a clone has of its source is told of the source alone.
    mine = [line for line in lines if line.of_clone == pair.is_clone]
    verdict.lines += len(mine)
    if not any(line.strikes for line in lines) and not looked.same_pixels and not _only_encoded(pair):
        verdict.lie(f"{pair.name}: its pixels differ, and no line says so")
    if any(line.strikes and not line.clones for line in mine) and looked.same_bytes:
        verdict.lie(f"{pair.name}: is said to have changed, and is the clean file")
    for line in mine:
        if line.got is None or line.got != drawn.get(line.step):
            verdict.lie(f"{pair.name}: what step {line.step!r} drew is not what the manifest says")


@dataclass(frozen=True)
class _Line:
    """What the truth says of an image."""

    step: str
    got: Any
    """What the manifest has to say, too."""
    of_clone: bool
    clones: bool
    """Whether the step made the clone."""
    strikes: bool
    """Whether it may have changed pixels."""


def _lines(sides: Sides, pair: Pair) -> Iterator[_Line]:
    """What the truth says of an image, but for what it says of other clones of the same source."""
    ops = sides.ops()
    for lines in truth_lines(sides, pair, ["step", "column", "before", "after", "drawn"]):
        for line in lines.to_pylist():
            step, op = line["step"], ops.get(line["step"], Corruption)
            if line["column"] is not None:
                yield _Line(step, {side: line[side] for side in ("before", "after")}, False, False, False)
                continue
            got = _parsed(line["drawn"])
            output = got.pop("output", None) if isinstance(got, dict) else None
            if output is None or (pair.entry is not None and output == pair.entry.path):
                clones = op if issubclass(op, CloningCorruption) else None
                strikes = clones is None or not clones.is_exact
                yield _Line(step, got, output is not None, clones is not None, strikes)


def _parsed(text: str | None) -> Any:
    """What a line says in JSON; None where that is none."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _only_encoded(pair: Pair) -> bool:
    """Whether it is a JPEG as the run wrote it: one that nothing changed has lost something to the codec."""
    entry = pair.entry
    lossy = EXTENSIONS.get(pair.noisy.path.suffix.lower()) == "JPEG"
    if not lossy or entry is None or entry.carried:
        return False
    return digest(pair.noisy.path) == (entry.sha256, entry.bytes)
