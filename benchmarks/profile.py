"""Where time goes in lines of the table, in one process: `python -m benchmarks.profile [LINE...]`."""

import argparse
import pstats
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.__main__ import check_names, options
from benchmarks.inputs import Inputs
from benchmarks.lines import LINES, Line, Place
from benchmarks.measure import run

DEFAULT = ["parquet-floats", "parquet-mixed", "csv-floats", "csv-missing", "typo-nlpaug", "jpeg"]
_INSIDE = "it is timed inside a process that makes its inputs, too"
_WORKERS = "it is about two workers"
UNFIT = {
    "tab-err": _INSIDE,
    "imagenet-c": _INSIDE,
    "albumentations": _INSIDE,
    "workers-csv": _WORKERS,
    "workers-parquet": _WORKERS,
    "workers-images": _WORKERS,
    "memory": "it is about memory, not time",
}
STAGES, ROOMS, FUNCTIONS = 10, 8, 14
ROOT = str(Path(__file__).parents[1])

Times = dict[tuple[str, int, str], tuple[int, int, float, float, object]]
"""pstats's: (file, line, function) to (calls, all calls, own seconds, seconds with what it calls, callers)."""


def main() -> None:
    """Profile noisecli's side of each line and print three short tables."""
    arguments = parse()
    inputs = Inputs(arguments.data, arguments.scale)
    scale = "" if arguments.scale == 1 else f"at scale {arguments.scale:g}, "
    for line in LINES:
        if line.name in arguments.lines:
            print(f"\n{line.name}: {line.work}; {scale}one worker, seconds under the profiler", flush=True)
            print("\n".join(profiled(line, inputs)), flush=True)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Show where time goes.")
    parser.add_argument("lines", nargs="*", metavar="LINE", default=DEFAULT, help=f"default: {', '.join(DEFAULT)}")
    options(parser)
    arguments = parser.parse_args()
    check_names(parser, arguments.lines)
    unfit = [f"{name} ({UNFIT[name]})" for name in arguments.lines if name in UNFIT]
    if unfit:
        parser.error(f"cannot be profiled: {', '.join(unfit)}")
    return arguments


def profiled(line: Line, inputs: Inputs) -> Iterator[str]:
    """Yield the tables: functions of the room `run` with all that they call, rooms, and functions by their own time."""
    with tempfile.TemporaryDirectory(dir=inputs.folder, prefix="run-") as scratch:
        side, _ = line.sides(Place(inputs, Path(scratch), workers=1))
        found = Path(scratch) / "profile"
        run(replace(side, command=["-m", "cProfile", "-o", found, *side.command]))
        times: Times = pstats.Stats(str(found)).stats  # type: ignore[attr-defined]
    own, whole = ({where: took[i] for where, took in times.items()} for i in (2, 3))
    stages = {where: seconds for where, seconds in whole.items() if room(where).startswith("noisecli.run")}
    rooms = Counter[str]()
    for where, seconds in own.items():
        rooms[room(where)] += seconds
    yield from _table(
        "stages, with what they call", {label(where): seconds for where, seconds in stages.items()}, STAGES
    )
    yield from _table("rooms, own time", rooms, ROOMS)
    yield from _table("functions, own time", {label(where): seconds for where, seconds in own.items()}, FUNCTIONS)


def room(where: tuple[str, int, str]) -> str:
    """Return the package or room that a function belongs to."""
    file, _, function = where
    if file == "~":
        return "built in"
    if "importlib" in file or "<module>" in function:
        return "imports"
    if file.startswith(ROOT):
        return ".".join(Path(file).relative_to(ROOT).with_suffix("").parts[:2])
    parts = Path(file).parts
    return parts[parts.index("site-packages") + 1] if "site-packages" in parts else "standard library"


def label(where: tuple[str, int, str]) -> str:
    """Return the name of a function as it is read in a table."""
    file, line, function = where
    short = file.removeprefix(f"{ROOT}/").rpartition("site-packages/")[2]
    return function if file == "~" else f"{short}:{line} {function}"


def _table(title: str, seconds: dict[str, float], most: int) -> Iterator[str]:
    yield f"\n  {title}"
    for name, took in sorted(seconds.items(), key=lambda each: -each[1])[:most]:
        yield f"  {took:8.2f}  {name[-110:]}"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
