"""The hidden folder in which an output is made: one run at a time has it, and it is gone with the run.

It stands beside the output, so that what was made is put in place by renames. A run that is killed leaves it behind,
and its lock with it, which the system has let go: that tells a leftover from a run that goes on.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from weakref import WeakSet

from noisecli.errors import SystemProblem

PREFIX = ".noisecli-"
"""How the names of such folders begin; the name of the output follows."""

LOCK = "lock"
"""A file in the hidden folder, held by the run that has it, with a word about who that is."""

JOURNAL = "commit"
"""A file there that says what is being put in place, while that goes on: what stood there before is in the folder."""

_OPEN: list[tuple[Path, list[Path]]] = []
"""Outputs that are being made, each with the folders above it that were made for it."""

_LOCKS = WeakSet[IO[str]]()
"""Locks of this process."""


def _let_go() -> None:
    """Close them in a process that is forked off: it may live on for a moment when this one is killed."""
    for lock in _LOCKS:
        lock.close()


os.register_at_fork(after_in_child=_let_go)


def folder_for(output: Path) -> Path:
    """Return the hidden folder of an output."""
    return output.with_name(PREFIX + output.name)


@contextmanager
def workspace(output: Path, keep: bool = False) -> Iterator[Path]:
    """Give the hidden folder of an output; it is gone afterwards, whatever happens.

    Args:
        output: where the output will stand.
        keep: leave in it what a run that was killed has left, instead of emptying it.

    Raises:
        SystemProblem: another run is making that output, or nothing can be written there.
    """
    new_parents = [folder for folder in output.parents if not folder.exists()]
    try:
        with writable(output):
            output.parent.mkdir(parents=True, exist_ok=True)
        with claimed(output) as work:
            _OPEN.append(made := (output, new_parents))
            try:
                if not keep:
                    _empty(work)
                Owner(os.getpid(), os.uname().nodename).sign(work)
                yield work
            finally:
                if not (work / JOURNAL).exists():
                    _remove(work)
                _OPEN.remove(made)  # not by its output: the next run may have that already
    finally:
        _remove_parents(output, new_parents)


def abandon() -> None:
    """Remove the hidden folders of this process, which is about to end without unwinding."""
    for output, new_parents in list(_OPEN):
        work = folder_for(output)
        while (work / JOURNAL).exists():
            time.sleep(0.01)  # what is being put in place is there in a moment, or what was there is again
        for _ in range(10):
            _remove(work)
            if not work.exists():
                break
            time.sleep(0.05)  # something was still written
        _remove_parents(output, new_parents)


@contextmanager
def claimed(output: Path) -> Iterator[Path]:
    """Give the hidden folder of an output with whatever is in it, to nobody else meanwhile.

    The system lets go of the lock when this process ends, however it does.
    """
    work = folder_for(output)
    while True:
        with writable(output):
            lock = _open(work)
        with lock:
            _LOCKS.add(lock)
            if _held(lock, work, output):
                yield work
                return


@contextmanager
def writable(output: Path) -> Iterator[None]:
    """Say of what fails for lack of a permission or a folder that it keeps an output from being written."""
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise SystemProblem(f"{output}: cannot be written: {error.filename}: {error.strerror}") from error


@dataclass(frozen=True)
class Owner:
    """The process that an output is made by."""

    pid: int
    host: str

    def sign(self, work: Path) -> None:
        """Write down whose a folder is, and since when."""
        (work / LOCK).write_text(f"{self.pid} {self.host}\n")

    @classmethod
    def of(cls, work: Path) -> "Owner | None":
        """Read whose a folder is; None where nobody has signed."""
        pid, _, host = (work / LOCK).read_text(errors="replace").strip().partition(" ")
        return cls(int(pid), host) if pid.isdecimal() else None

    @property
    def may_live(self) -> bool:
        """Whether it may be at work; of other hosts nobody knows."""
        if self.host != os.uname().nodename:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # somebody else's
        return True


def describe(work: Path) -> str:
    """Say whose a folder is and how old: "process 4711 on host, begun 5 minutes ago"."""
    try:
        owner, began = Owner.of(work), (work / LOCK).stat().st_mtime
    except OSError:
        owner = None
    if owner is None:
        return "which has only just begun"
    return f"process {owner.pid} on {owner.host}, begun {_ago(time.time() - began)}"


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "less than a minute ago"


def _open(work: Path) -> IO[str]:
    """Open the lock of a folder; folder and lock are made where they are missing."""
    while True:
        with suppress(FileExistsError):
            work.mkdir()
        with suppress(FileNotFoundError):  # who had the folder has just removed it
            if work.is_symlink() or _is_strange(work):
                raise SystemProblem(f"{work}: stands in the way and is not noisecli's: move it away first")
            return (work / LOCK).open("a")


def _is_strange(work: Path) -> bool:
    """Whether what is in a folder is not of a run: there the lock comes first and goes last."""
    looks = ({path.name for path in work.iterdir()} for _ in range(2))  # it may come or go during the first
    return all(names and LOCK not in names for names in looks)


def _held(lock: IO[str], work: Path, output: Path) -> bool:
    """Take a lock; false where it is that of a folder that has been removed meanwhile."""
    busy, advice = False, "wait for it, stop it, or name another place"
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy = True
    except OSError:  # a file system without locks: there the owner's word must do
        owner = Owner.of(work)
        busy = owner is not None and owner.may_live
        advice = f"wait for it, or remove {work} if it is dead"
    if busy:
        raise SystemProblem(f"{output}: another run is making it ({describe(work)}): {advice}")
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (work / LOCK).stat())
    except FileNotFoundError:
        return False


def _empty(work: Path) -> None:
    """Remove everything but the lock."""
    for path in list(work.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)


def _remove(work: Path) -> None:
    """Remove a folder; the lock goes last, as nobody else comes in while it is there."""
    with suppress(OSError):
        _empty(work)
        (work / LOCK).unlink(missing_ok=True)
        work.rmdir()


def _remove_parents(output: Path, new_parents: list[Path]) -> None:
    for folder in new_parents if not output.exists() else ():
        with suppress(OSError):
            folder.rmdir()
