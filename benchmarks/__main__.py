"""Measure the lines of the table: `python -m benchmarks [LINE...] --json FILE`."""

import argparse
import importlib.util
import json
import math
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.inputs import Inputs
from benchmarks.lines import LINES, Line, Place
from benchmarks.measure import adopt_orphans, compare, compare_peaks
from benchmarks.report import legend, rows, terminal

CORES = 2
PEERS = ["albumentations", "imagecorruptions-imaug", "nlpaug", "tab-err"]
PACKAGES = ["noisecli", "numpy", "pyarrow", "pandas", "pillow", *PEERS]


def main() -> None:
    """Measure, print, and write JSON."""
    arguments = parse()
    chosen = [line for line in LINES if line.name in arguments.lines or not arguments.lines]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended, and its output removed
    adopt_orphans()
    inputs = Inputs(arguments.data, arguments.scale)
    results: dict[str, Any] = {
        "pairs": arguments.pairs,
        "scale": arguments.scale,
        "environment": environment(),
        "lines": {},
    }
    print("\n".join(legend(arguments.pairs, arguments.scale)), flush=True)
    failed = []
    try:
        for line in chosen:
            try:
                results["lines"][line.name] = measure(line, inputs, arguments.pairs, arguments.scale)
            except (RuntimeError, AssertionError) as error:
                print(f"{line.name:34} failed: {error}", flush=True)
                failed.append(line.name)
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        print(f"interrupted: {len(results['lines'])} of {len(chosen)} lines are measured", file=sys.stderr)
        sys.exit(130)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure noisecli beside its alternatives."
    )
    parser.add_argument(
        "lines", nargs="*", metavar="LINE", help=f"default: all of {', '.join(line.name for line in LINES)}"
    )
    options(parser)
    parser.add_argument("--pairs", type=above_zero(int), default=5, help="alternating pairs of runs (5)")
    parser.add_argument("--json", type=Path, help="write the results there")
    arguments = parser.parse_args()
    check_names(parser, arguments.lines)
    return arguments


def check_names(parser: argparse.ArgumentParser, names: list[str]) -> None:
    """End with a usage error if a line does not exist."""
    unknown = sorted(set(names) - {line.name for line in LINES})
    if unknown:
        parser.error(f"no such line: {', '.join(unknown)}")


def options(parser: argparse.ArgumentParser) -> None:
    """Add what is said about inputs."""
    folder = Path(tempfile.gettempdir()) / "noisecli-benchmarks"
    parser.add_argument(
        "--scale", type=above_zero(float), default=1.0, help="share of the rows and images, for a quick look (1)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=folder,
        help="folder where inputs are made and kept (%(default)s); all of them take about 4.5 GB",
    )


def above_zero(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return a type of argparse: a finite number above 0."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not a{' whole' if kind is int else ''} number above 0")
        return value

    return read


def measure(line: Line, inputs: Inputs, pairs: int, scale: float) -> dict[str, Any]:
    """Measure one line and print it."""
    if line.needs and importlib.util.find_spec(line.needs) is None:
        print(f"{line.name:34} absent: {line.needs} is not installed", flush=True)
        return {"absent": f"{line.needs} is not installed"}
    with tempfile.TemporaryDirectory(dir=inputs.folder, prefix="run-") as scratch:
        ours, theirs = line.sides(Place(inputs, Path(scratch)))
        parts = (compare_peaks if line.quantity == "peak" else compare)(ours, theirs, pairs)
    for text in terminal(rows(line, parts, scale)):
        print(text, flush=True)
    return {"parts": parts}


def environment() -> dict[str, Any]:
    """Return the date, the kind of machine, and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{platform.system()} on {platform.machine()}, {CORES} cores, {memory:.0f} GiB"
    versions = {"Python": platform.python_version(), **_versions()}
    return {"date": time.strftime("%Y-%m-%d"), "machine": machine, **_cpu(), "versions": versions}


def _cpu() -> dict[str, str]:
    """Return the CPU's model, where Linux tells it."""
    facts = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", facts.read_text() if facts.exists() else "", re.MULTILINE)
    return {"cpu": model[1]} if model else {}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


if __name__ == "__main__":
    main()
