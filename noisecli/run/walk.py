"""What lies in the input: files that may be read, and entries that may not, with the reason.

Nothing from outside the input gets into a copy of it: a folder that others made cannot slip a file of the user's into
what the user publishes. Links to folders are not followed at all: they can lead in a circle.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noisecli.errors import UsageProblem
from noisecli.run.workspace import PREFIX


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the input, or what is there in the place of one."""

    path: Path
    relative: str
    """POSIX path from the input; "." for the input itself."""
    objection: str = ""
    """Why it may not be read; empty: it may."""

    @property
    def name(self) -> str:
        """The relative path as text that can be written anywhere."""
        return self.relative if _is_text(self.relative) else ascii(self.relative)


def walk(root: Path) -> Iterator[Entry]:
    """Yield everything in the input that is no folder, and folders that cannot be looked into."""
    if not root.exists():
        raise UsageProblem(f"{root}: no such file or folder")
    if root.is_file():
        yield Entry(root, ".")
    whole, folders = root.resolve(), [root] if root.is_dir() else []
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except OSError as error:
            objection = f"a folder that cannot be read ({error.strerror}): permit it, or move it away"
            yield Entry(folder, folder.relative_to(root).as_posix(), objection)
            continue
        for item in items:
            path = Path(item.path)
            relative = path.relative_to(root).as_posix()
            if item.is_dir(follow_symlinks=False) and item.name.startswith(PREFIX):
                yield Entry(path, relative, "where a run works, or one that was killed did: let it end, or remove it")
            elif item.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                yield Entry(path, relative, _objection(path, relative, item, whole))


def _objection(path: Path, relative: str, item: os.DirEntry[str], whole: Path) -> str:
    if item.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # the latter before Python 3.13, for links in a circle
            return "a link that leads nowhere: remove it"
        if not target.is_relative_to(whole):
            return "a link that leaves the input: put a copy of what it leads to in its place, or remove it"
        if target.is_dir():
            return "a link to a folder, which could lead in a circle: put a copy in its place, or remove it"
    if not item.is_file():
        return "neither a file nor a folder, but a pipe, a socket or a device: remove it"
    if not _is_text(relative):
        return "a file name that is not UTF-8, so no manifest can hold it: rename it"
    return "" if os.access(path, os.R_OK) else "a file that may not be read: permit it, or move it away"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
