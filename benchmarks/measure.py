"""Run two sides in turn as whole processes, and keep what each took."""

import ctypes
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)
SAMPLED_EVERY = 0.02  # seconds
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


@dataclass(frozen=True)
class Side:
    """One of the two things that a line compares: a Python program, and what it writes."""

    command: list[str | Path]
    """What follows the interpreter."""
    output: Path | None = None
    """What it writes."""
    check: Callable[[Path], None] | None = None
    """Fails if the output is not what it should be."""
    per: float = 1
    """Rows, where the sides have different numbers of them: what is compared is the time of one."""
    timed_inside: bool = False
    """It takes its time itself, and prints it by part."""


@dataclass
class Run:
    """What one run took: seconds by part, and the most bytes that its processes held together if that was watched."""

    wall: dict[str, float]
    cpu: dict[str, float]
    peak: int = 0


@dataclass
class Comparison:
    """Alternating runs of two sides."""

    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)

    def parts(self, ours: Side, theirs: Side) -> dict[str, dict[str, Any]]:
        """Return for each part the ratios of the pairs, and medians of both sides."""
        return {
            part: {
                "ratios": [
                    round(one.wall[part] / ours.per / (other.wall[part] / theirs.per), 4)
                    for one, other in zip(self.ours, self.theirs, strict=True)
                ],
                "ours": _medians(self.ours, part),
                "theirs": _medians(self.theirs, part),
            }
            for part in self.ours[0].wall
            if part in self.theirs[0].wall
        }


def compare(ours: Side, theirs: Side, pairs: int) -> dict[str, dict[str, Any]]:
    """Warm both up, watch their memory and check what they write meanwhile, then let them run in turn."""
    found = Comparison()
    peaks = []
    for side in (ours, theirs):
        peaks.append(run(side, watch=True).peak)
        if side.output is not None and side.check is not None:
            side.check(side.output)
    for _ in range(pairs):
        found.ours.append(run(ours))
        found.theirs.append(run(theirs))
    for side in (ours, theirs):
        _remove(side.output)
    parts = found.parts(ours, theirs)
    for part in parts.values():
        part["ours"]["peak"], part["theirs"]["peak"] = peaks
    return parts


def compare_peaks(ours: Side, theirs: Side, pairs: int) -> dict[str, dict[str, Any]]:
    """The same for the most memory held; watching it slows a run down, so times are not compared here."""
    found = Comparison()
    for _ in range(pairs):
        found.ours.append(run(ours, watch=True))
        found.theirs.append(run(theirs, watch=True))
    for side in (ours, theirs):
        _remove(side.output)
    part = found.parts(ours, theirs)[""]
    peaks = [(one.peak, other.peak) for one, other in zip(found.ours, found.theirs, strict=True)]
    part["ratios"] = [round(one / other, 4) for one, other in peaks]
    part["ours"]["peak"], part["theirs"]["peak"] = (int(statistics.median(side)) for side in zip(*peaks, strict=True))
    return {"": part}


def run(side: Side, watch: bool = False) -> Run:
    """Run one side once. Modules are compiled in the first run only, as they are for users.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    _remove(side.output)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *map(str, side.command)],
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=complained,
            start_new_session=True,
        )
        try:
            peak = _watch(process.pid) if watch else 0
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            _left_behind()  # none still writes where its output is removed next
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime + _left_behind()
        if process.returncode:
            complained.seek(0)
            raise RuntimeError(f"{side.command}: exit code {process.returncode}\n{complained.read().decode()}")
        if not side.timed_inside:
            return Run({"": wall}, {"": cpu}, peak)
        said.seek(0)
        inside = json.loads(said.read().splitlines()[-1])
    return Run(
        {part: took["wall"] for part, took in inside.items()},
        {part: took["cpu"] for part, took in inside.items()},
        peak,
    )


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, so that their CPU seconds are counted (Linux)."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def _left_behind() -> float:
    """Wait for the processes that outlive the one that started them, and return their CPU seconds."""
    seconds = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return seconds
        seconds += usage.ru_utime + usage.ru_stime


def _watch(leader: int) -> int:
    """Return the most bytes that the processes of a session hold together until their leader ends."""
    most = 0
    while os.waitid(os.P_PID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        most = max(most, _held(leader))
        time.sleep(SAMPLED_EVERY)
    return most


def _held(session: int) -> int:
    """Return the bytes that a session's processes hold; what several share counts once (proportional set size)."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                total += int(PSS.findall((folder / "smaps_rollup").read_text())[0]) * 1024
        except (OSError, IndexError):
            continue  # gone in the meantime
    return total


def _medians(runs: list[Run], part: str) -> dict[str, float]:
    return {
        "wall": round(statistics.median(each.wall[part] for each in runs), 4),
        "cpu": round(statistics.median(each.cpu[part] for each in runs), 4),
    }


def _remove(output: Path | None) -> None:
    """Remove an output and what stands beside it under its name."""
    for path in output.parent.glob(f"{output.name}*") if output is not None else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
