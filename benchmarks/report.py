"""The table: `python -m benchmarks.report results.json profile.txt > docs/BENCHMARKS.md`."""

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lines import LINES, Line

PAGE = """# Benchmarks

<!-- made by `make bench` from benchmarks/results.json; do not edit -->

What noisecli costs beside what people would use without it. A ratio below 1 means that noisecli takes less. It is the
median of {pairs} alternating pairs of whole processes, start-up included, on two cores, with the files in the system's
cache; the spread is from the least to the greatest of the pairs. noisecli hashes what it reads and writes, and waits
until it is on the disk (fsync); so do the copies that it is compared with. What happens in memory is timed inside its
process, without imports. `make bench` measures anew, `make profile` shows where time goes.

{environment}

{ratios}
{why}
## Seconds and memory

Medians of the wall-clock and CPU seconds of both sides, and the most memory that all processes of a run hold together.

{costs}
## Where time goes

`make profile`, on the same machine: noisecli in one process, under Python's profiler, which slows down small calls.

```text
{profile}
```
"""


@dataclass(frozen=True)
class Row:
    """One line of the table, or one part of it."""

    name: str
    work: str
    against: str
    ratios: list[float]
    aim: float | None
    ours: dict[str, float]
    theirs: dict[str, float]
    most_mb: int | None = None

    @property
    def ratio(self) -> float:
        """The median of the pairs."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> str:
        """Whether the aim is reached, or by how much it is not."""
        if self.aim is None:
            return ""
        over = [f"{self.ratio / self.aim - 1:+.0%}"] if self.ratio > self.aim else []
        if self.most_mb is not None and _megabytes(self.ours) > self.most_mb:
            over.append(f"{_megabytes(self.ours)} MB of {self.most_mb}")
        return f"no, {', '.join(over)}" if over else "yes"


def rows(line: Line, parts: dict[str, dict[str, Any]]) -> Iterator[Row]:
    """Yield the rows of a line: one for each part, and first the median of all where that has an aim."""
    if line.overall is not None:
        medians = [statistics.median(pair) for pair in zip(*(part["ratios"] for part in parts.values()), strict=True)]
        work = line.work.format(part=f"Median of {len(parts)} ops")
        ours, theirs = (_together([part[side] for part in parts.values()]) for side in ("ours", "theirs"))
        yield Row(line.name, work, line.against, medians, line.overall, ours, theirs)
    for name, part in parts.items():
        label = f"{line.name}: {name}" if name else line.name
        yield Row(
            label,
            line.work.format(part=name),
            line.against,
            part["ratios"],
            line.aim,
            part["ours"],
            part["theirs"],
            line.most_mb,
        )


def all_rows(results: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of all lines that were measured."""
    for line in LINES:
        if parts := results["lines"].get(line.name, {}).get("parts"):
            yield from rows(line, parts)


def page(results: dict[str, Any], profile: str) -> str:
    """Return docs/BENCHMARKS.md, with the profile as `make profile` prints it."""
    found = list(all_rows(results))
    ratios = [
        [f"`{row.name}`", row.work, row.against, f"{row.ratio:.3g}", spread(row), aim(row), row.reached]
        for row in found
    ]
    absent = [
        [f"`{line.name}`", line.work, line.against, "absent", results["lines"][line.name]["absent"], "", ""]
        for line in LINES
        if results["lines"].get(line.name, {}).get("absent")
    ]
    late = {row.name.partition(":")[0] for row in found if row.reached.startswith("no")}
    why = "".join(f"- `{line.name}`: {line.why}\n" for line in LINES if line.why and line.name in late)
    return PAGE.format(
        pairs=results["pairs"],
        environment=environment(results["environment"]),
        ratios=_table(["line", "work", "against", "ratio", "spread", "at most", "reached"], ratios + absent),
        why=f"\nWhere an aim is not reached, why:\n\n{why}" if why else "",
        costs=_table(["line", "s", "theirs", "CPU s", "theirs", "MB", "theirs"], [costs(row) for row in found]),
        profile=profile.strip(),
    )


def terminal(found: list[Row]) -> Iterator[str]:
    """Yield rows for a terminal."""
    for row in found:
        s, their_s, cpu, their_cpu, mb, their_mb = costs(row)[1:]
        yield (
            f"{row.name:34} {row.ratio:7.3g}  ({spread(row)})  at most {aim(row) or '-'}  {row.reached or '-'}"
            f"  | s {s} : {their_s}  CPU s {cpu} : {their_cpu}  MB {mb} : {their_mb}"
        )


def spread(row: Row) -> str:
    """Return the least and the greatest ratio."""
    return f"{min(row.ratios):.3g} - {max(row.ratios):.3g}"


def aim(row: Row) -> str:
    """Return the aim as text."""
    text = "" if row.aim is None else f"{row.aim:.2f}"
    return text if row.most_mb is None else f"{text}, {row.most_mb} MB"


def costs(row: Row) -> list[str]:
    """Return seconds, CPU seconds and MB of both sides."""
    seconds = [f"{side[key]:.3g}" for key in ("wall", "cpu") for side in (row.ours, row.theirs)]
    return [f"`{row.name}`", *seconds, *(f"{_megabytes(side)}" for side in (row.ours, row.theirs))]


def environment(facts: dict[str, Any]) -> str:
    """Say what it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return f"Measured on {facts['machine']} with {versions}."


def _together(parts: list[dict[str, float]]) -> dict[str, float]:
    """Add the seconds of parts that one process did."""
    return {key: sum(part[key] for part in parts) for key in ("wall", "cpu")} | {"peak": parts[0]["peak"]}


def _megabytes(side: dict[str, float]) -> int:
    return round(side["peak"] / 1_000_000)


def _table(header: list[str], cells: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, ["---"] * len(header), *cells])


if __name__ == "__main__":
    measured, profiled = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
    print(page(json.loads(measured), profiled), end="")
