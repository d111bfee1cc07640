"""What may befall a run from outside: its input changes while it is read, or the disk has no room."""

import errno
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisecli.errors import SystemProblem
from noisecli.listing import InputEntry
from noisecli.manifest import digest
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.execute import Prepared
from noisecli.run.record import changed

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file would be larger than this process may write",
}
CLONE = 0x40049409
"""The request by which two files share their blocks, on Linux."""


class Watch:
    """Tells whether the files of an input are still what they were when this was made."""

    def __init__(self, dataset: Dataset) -> None:
        self._files = dataset.files
        self._seen = self._look()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return int(self._seen[:, 0].sum())

    @property
    def seen(self) -> list[Any]:
        """Name of each file, with its size and times when this was made."""
        return [[file.name, *look[:3]] for file, look in zip(self._files, self._seen.tolist(), strict=True)]

    def check(self, read: Mapping[str, InputEntry]) -> None:
        """Refuse an input that has changed.

        Where neither size nor time of modification tells, but something about a file is new, perhaps its name, its mode
        or its inode, the digest of what was read decides.

        Args:
            read: files by their relative paths, with their digests.
        """
        for file, differs in self._changes():
            known = read.get(file.relative)
            if differs[:2].any() or (known is not None and digest(file.path)[0] != known.sha256):
                raise changed(file.name)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Blame an error on a change of the input, where there was one: half a file is no CSV."""
        try:
            yield
        except Exception as error:
            for file, differs in self._changes():
                if differs[:3].any():  # some file systems make up inodes
                    raise changed(file.name) from error
            raise

    def _changes(self) -> Iterator[tuple[InputFile, NDArray[np.bool_]]]:
        """Files about which something changed, and what."""
        differs = self._look() != self._seen
        for i in np.flatnonzero(differs.any(1)).tolist():
            yield self._files[i], differs[i]

    def _look(self) -> NDArray[np.int64]:
        """Size, time of modification, time of any change and inode of each file."""
        numbers = np.fromiter((number for file in self._files for number in _look(file)), np.int64)
        return numbers.reshape(-1, 4)


def _look(file: InputFile) -> tuple[int, ...]:
    try:
        found = file.path.stat()
    except FileNotFoundError:
        return 0, 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & (2**63 - 1)


def check_room(prepared: Prepared, size: int, output: Path, there: int = 0) -> None:
    """Refuse a run for which the file system of the output has no room.

    Args:
        prepared: what is to be done.
        size: bytes of the input.
        output: where the output will stand.
        there: bytes that are there already: of the output, or of what will be cleared away first.
    """
    standing = _standing(output)
    if _shares(prepared.dataset.files[0].path, standing):
        size = sum(found.size for found in prepared.tables.values())  # images that nothing strikes may be many
    needed = size * len(prepared.recipe.head.written) * len(prepared.plans) + prepared.spill() - there
    free = shutil.disk_usage(standing).free
    if needed > free:
        room = f"needs about {amount(needed)}, and {amount(free)} are free there"
        raise SystemProblem(f"{output}: {room}: make room, or name another place")


def _standing(place: Path) -> Path:
    """Return the folder above that is there already."""
    return next(folder for folder in place.absolute().parents if folder.exists())


def _shares(source: Path, folder: Path) -> bool:
    """Whether a copy in a folder takes no room, since both share the same blocks of the disk."""
    try:
        with source.open("rb") as read, TemporaryFile(dir=folder) as write:  # on Linux one without a name
            fcntl.ioctl(write, CLONE, read.fileno())
    except OSError:
        return False
    return True


@contextmanager
def told_when_full(place: Path) -> Iterator[None]:
    """Say of a disk that is full where it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = amount(shutil.disk_usage(_standing(place)).free)
        advice = f"--dry-run says how much is needed, and {free} are free now"
        raise SystemProblem(f"{place}: {FULL[error.errno]}; nothing was written; {advice}") from error


def amount(size: int) -> str:
    """Return a number of bytes as people read it."""
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{max(1, size // 1000)} kB"
