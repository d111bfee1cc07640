"""Measure the lines of the table: `python -m benchmarks [LINE...] --json FILE`."""

import argparse
import importlib.util
import json
import os
import platform
import signal
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.inputs import Inputs
from benchmarks.lines import LINES, Line, Place
from benchmarks.measure import adopt_orphans, compare, compare_peaks
from benchmarks.report import rows, terminal

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
    failed = []
    for line in chosen:
        try:
            results["lines"][line.name] = measure(line, inputs, arguments.pairs)
        except (RuntimeError, AssertionError) as error:
            print(f"{line.name:34} failed: {error}", flush=True)
            failed.append(line.name)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
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
    parser.add_argument("--pairs", type=int, default=5, help="alternating pairs of runs (5)")
    parser.add_argument("--json", type=Path, help="write the results there")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.lines) - {line.name for line in LINES})
    if unknown:
        parser.error(f"no such line: {', '.join(unknown)}")
    return arguments


def options(parser: argparse.ArgumentParser) -> None:
    """Add what is said about inputs."""
    folder = Path(tempfile.gettempdir()) / "noisecli-benchmarks"
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows and images, for a quick look (1)")
    parser.add_argument("--data", type=Path, default=folder, help="folder where inputs are made and kept")


def measure(line: Line, inputs: Inputs, pairs: int) -> dict[str, Any]:
    """Measure one line and print it."""
    if line.needs and importlib.util.find_spec(line.needs) is None:
        print(f"{line.name:34} absent: {line.needs} is not installed", flush=True)
        return {"absent": f"{line.needs} is not installed"}
    with tempfile.TemporaryDirectory(dir=inputs.folder, prefix="run-") as scratch:
        ours, theirs = line.sides(Place(inputs, Path(scratch)))
        parts = (compare_peaks if line.quantity == "peak" else compare)(ours, theirs, pairs)
    for text in terminal(list(rows(line, parts))):
        print(text, flush=True)
    return {"parts": parts}


def environment() -> dict[str, Any]:
    """Return the kind of machine, and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{platform.system()} on {platform.machine()}, {CORES} cores, {memory:.0f} GiB"
    return {"machine": machine, "versions": {"Python": platform.python_version(), **_versions()}}


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
