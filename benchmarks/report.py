"""The table: `python -m benchmarks.report results.json profile.txt > docs/BENCHMARKS.md`."""

import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inputs import ROW_GROUP
from benchmarks.lines import LINES, Line

PAGE = """# Benchmarks

<!-- made by `make bench` from benchmarks/results.json; do not edit -->

What noisecli costs beside what people would use without it.
{short}
- A ratio below 1 means that noisecli takes less. It is the median of the ratios of {pairs} alternating pairs of runs,
  so it need not be the quotient of the medians [below](#seconds-and-memory). The spread is from the least to the
  greatest.
- A run is a whole process, start-up included, on two cores, with the files in the system's cache. noisecli has two
  workers, but where said; most of the others use one core or little more: the CPU seconds below tell.
- noisecli hashes what it reads and writes, and waits until it is on the disk (fsync). So do the copies that it is
  compared with: [programs](../benchmarks/baselines/) that copy row group by row group, or block by block.
- What happens in memory is timed inside its process, without imports: for 16 images, or a DataFrame of 1 M rows (there
  the median of five calls).
- "At most" are aims that were set before the work was begun. "+50%" means that a line takes 1.5 times its aim.

{environment}
`make bench` measures anew, `make profile` shows where time goes.

{ratios}
{why}
## Seconds and memory

Medians of the wall-clock and CPU seconds of both sides, and the most memory that all processes of a run hold together;
for the whole of a run, also where the ratio is per row. To watch the memory slows a run down: a line about that has no
seconds.

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
    timed: bool = True
    """Whether its seconds mean something."""

    @property
    def line(self) -> str:
        """The name of the line that it belongs to."""
        return self.name.partition(":")[0]

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


def rows(line: Line, parts: dict[str, dict[str, Any]], scale: float = 1) -> Iterator[Row]:
    """Yield the rows of a line: one for each part, and first the median of all where that has an aim.

    Aims are for the full size: at another scale the rows have none.
    """
    full = scale == 1
    if line.overall is not None:
        medians = [statistics.median(pair) for pair in zip(*(part["ratios"] for part in parts.values()), strict=True)]
        work = line.work.format(part=f"Median of {len(parts)} ops")
        ours, theirs = (_together([part[side] for part in parts.values()]) for side in ("ours", "theirs"))
        yield Row(line.name, work, line.against, medians, line.overall if full else None, ours, theirs)
    for name, part in parts.items():
        label = f"{line.name}: {name}" if name else line.name
        yield Row(
            label,
            line.work.format(part=name),
            line.against,
            part["ratios"],
            line.aim if full else None,
            part["ours"],
            part["theirs"],
            line.most_mb if full else None,
            timed=line.quantity == "wall",
        )


def all_rows(results: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of all lines that were measured."""
    for line in LINES:
        if parts := results["lines"].get(line.name, {}).get("parts"):
            yield from rows(line, parts, results.get("scale", 1))


def page(results: dict[str, Any], profile: str) -> str:
    """Return docs/BENCHMARKS.md, with the profile as `make profile` prints it."""
    found = list(all_rows(results))
    scale = results.get("scale", 1)
    short = list(in_short(found)) if scale == 1 else [f"At scale {scale:g}: all sizes below are to be read times that."]
    ratios = [
        [f"`{row.name}`", row.work, row.against, f"{row.ratio:.3g}", spread(row), aim(row), row.reached]
        for row in found
    ]
    absent = [
        [f"`{line.name}`", line.work, line.against, "absent", results["lines"][line.name]["absent"], "", ""]
        for line in LINES
        if results["lines"].get(line.name, {}).get("absent")
    ]
    why = "".join(f"- `{line.name}`: {line.why}\n" for line in LINES if line.why and line.name in _late(found))
    return PAGE.format(
        short="".join(["\n## In short\n\n", *(f"- {text}\n" for text in short), "\n## How it is measured\n"]),
        pairs=results["pairs"],
        environment=environment(results["environment"]),
        ratios=_table(["line", "work", "against", "ratio", "spread", "at most", "reached"], ratios + absent),
        why=f"\nWhere an aim is not reached, why:\n\n{why}" if why else "",
        costs=_table(["line", "s", "theirs", "CPU s", "theirs", "MB", "theirs"], [costs(row) for row in found]),
        profile=profile.strip(),
    )


def in_short(found: list[Row]) -> Iterator[str]:
    """Yield at most four sentences of what readers ask first."""
    by_name = {row.name: row for row in found}
    for name in ("parquet-floats", "csv-floats"):
        if row := by_name.get(name):
            yield f"{row.work}: {row.ours['wall']:.1f} s; {row.against}: {row.theirs['wall']:.1f} s."
    if row := by_name.get("memory"):
        yield f"{row.work}: {_megabytes(row.ours)} MB; {row.against}: {_megabytes(row.theirs)} MB."
    if aimed := {row.line for row in found if row.reached}:
        yield f"{len(aimed - _late(found))} of {len(aimed)} lines that have an aim reach it, with all their parts."


def legend(pairs: int, scale: float) -> Iterator[str]:
    """Yield what the rows on a terminal mean."""
    yield f"ratio of noisecli to the other, median of {pairs} (least - greatest)  | s, CPU s, MB: noisecli : the other"
    if scale != 1:
        yield f"scale {scale:g}: ratios are not held against the aims, which are for the full size"


def terminal(found: Iterable[Row]) -> Iterator[str]:
    """Yield rows for a terminal."""
    for row in found:
        s, their_s, cpu, their_cpu, mb, their_mb = costs(row)[1:]
        verdict = f"  at most {aim(row)}: {row.reached}" if row.reached else ""
        yield (
            f"{row.name:34} {row.ratio:7.3g}  ({spread(row)}){verdict}"
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
    seconds = [f"{side[key]:.3g}" if row.timed else "-" for key in ("wall", "cpu") for side in (row.ours, row.theirs)]
    return [f"`{row.name}`", *seconds, *(f"{_megabytes(side)}" for side in (row.ours, row.theirs))]


def environment(facts: dict[str, Any]) -> str:
    """Say what it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    date = f"{facts['date']} on " if "date" in facts else ""
    cpu = f" ({facts['cpu']})" if "cpu" in facts else ""
    return (
        f"Measured on {date}{facts['machine']}{cpu} with {versions}. "
        f"Parquet files have row groups of {ROW_GROUP:,} rows, pyarrow's default."
    )


def _late(found: list[Row]) -> set[str]:
    """Return the lines of which a row does not reach its aim."""
    return {row.line for row in found if row.reached.startswith("no")}


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
