"""Tar files: where their members lie, and new tars made of stretches of old ones.

A header is understood by Python's `tarfile`, one at a time; the walk from one to the next is ours, since a tar is data
from outside: `tarfile` takes a damaged header for the end, follows sizes backwards, and keeps every member in memory.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from noisecli.errors import DataProblem

BLOCK = tarfile.BLOCKSIZE
PIECE = 1 << 20
"""How much is copied at once."""

MOST_ABOUT = 1 << 20
"""A longer header of a long name, or of PAX records, is none."""

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
"""How the names of tars end that nothing can be replaced in."""

_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_PAX, _PAX_FOR_ALL = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE), tarfile.XGLTYPE
_WITHOUT_DATA = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})
_SIZE, _CHECKSUM = slice(124, 136), slice(148, 156)
_RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")
_SPARSE = "GNU.sparse."
_MORE_HOLES = 482, 504
"""Where the header of an old GNU sparse file, and each block after it, say that one more block of holes follows."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar."""

    name: str
    """Without `./` before it; bytes that are no UTF-8 are escaped."""
    header: int
    """Where its own header stands, after those that tell its long name."""
    data: int
    """Where its content starts."""
    size: int
    objection: str = ""
    """Why it cannot be replaced; empty: it can."""

    @property
    def end(self) -> int:
        """Where the next header stands."""
        return self.data + _padded(self.size)


def members(file: BinaryIO, name: str) -> Iterator[Member]:
    """Walk through the regular files of a tar, up to its end.

    Args:
        file: the tar, open; reading it in between does no harm.
        name: what faults call it.

    Raises:
        DataProblem: it is truncated, damaged, or not clear in what it says.
    """
    walk = _Walk(file, name)
    seen: set[str] = set()
    while (header := walk.next()) is not None:
        member = walk.member(header)
        if member is None:
            continue
        if member.name in seen:
            raise DataProblem(f"{walk.told(member.name)}: is there twice in the tar: rename one, or remove it")
        seen.add(member.name)
        yield member


class _Walk:
    """Goes from header to header."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._end = file.seek(0, os.SEEK_END)
        self._at = 0
        self._about: dict[str, str] = {}
        if self._end == 0:
            raise DataProblem(f"{name}: the tar is empty; remove it, or make it again")

    def told(self, member: str) -> str:
        """What faults call a member."""
        return f"{self._name}/{member}" if member.isprintable() else f"{self._name}/{member!a}"

    def next(self) -> tarfile.TarInfo | None:
        """Return the next header that tells of a member; its data start at the place that the walk has reached."""
        expected = False
        while True:
            at = self._at
            block = self._read(BLOCK, may_end=not expected)
            if not block or (block.count(0) == BLOCK and not expected):
                return None
            header = self._header(block, at)
            if header.type == _LONG_NAME:
                name = self._raw(header).partition(b"\0")[0]
                self._learn({"path": name.decode("utf-8", "surrogateescape")})
            elif header.type == _LONG_LINK:
                self._raw(header)
            elif header.type in _PAX:
                self._learn(self._records(header))
            elif header.type == _PAX_FOR_ALL:
                if self._records(header):
                    raise DataProblem(f"{self._name}: gives all members one name or size; make it again")
            else:
                return self._settled(header, block)
            expected = expected or header.type != _PAX_FOR_ALL

    def _header(self, block: bytes, at: int) -> tarfile.TarInfo:
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise DataProblem(f"{self._name}: no header of a tar at byte {at:,}: damaged; make it again") from None
        if header.size < 0:
            raise DataProblem(f"{self.told(header.name)}: has a size below 0; make the tar again")
        return header

    def member(self, header: tarfile.TarInfo) -> Member | None:
        """Step over the data of a member; return it if it is a regular file."""
        start, name = self._at, header.name
        if header.type in _WITHOUT_DATA or header.isdir():
            if header.size:
                raise DataProblem(f"{self.told(name)}: no file, but {header.size:,} bytes long; make the tar again")
            return None
        self._at += _padded(header.size)
        if self._at > self._end:
            left = self._end - start
            raise DataProblem(
                f"{self.told(name)}: claims {header.size:,} bytes, and the tar has {left:,} more: "
                "it is truncated, or its header lies; make it again"
            )
        if not header.isreg():
            return None
        said = name.removeprefix("./").encode("utf-8", "backslashreplace").decode()
        return Member(said, header.offset, start, header.size, _objection(header))

    def _settled(self, header: tarfile.TarInfo, block: bytes) -> tarfile.TarInfo:
        """Put what went before into a header, and step over what is about holes."""
        about, self._about = self._about, {}
        header.offset = self._at - BLOCK
        header.name = about.get(f"{_SPARSE}name", about.get("path", header.name))
        header.pax_headers = about
        if "size" in about:
            if not (about["size"].isascii() and about["size"].isdigit() and len(about["size"]) < 20):
                raise DataProblem(f"{self.told(header.name)}: has a size that is no number; make the tar again")
            header.size = int(about["size"])
        if header.type == tarfile.GNUTYPE_SPARSE:
            flag, later = _MORE_HOLES
            while block[flag]:
                block, flag = self._read(BLOCK), later
        return header

    def _learn(self, found: dict[str, str]) -> None:
        self._about = {**found, **self._about}  # readers go by the first

    def _records(self, header: tarfile.TarInfo) -> dict[str, str]:
        """What PAX records say about a name or a size."""
        text, found, at = self._raw(header), {}, 0
        while at < len(text) and text[at]:
            record = _RECORD.match(text, at)
            end = at + int(record[1]) if record else 0
            if record is None or end <= record.end() or text[end - 1 : end] != b"\n":
                raise self._unreadable()
            key, value = (part.decode("utf-8", "surrogateescape") for part in (record[2], text[record.end() : end - 1]))
            if key in ("path", "size") or key.startswith(_SPARSE):
                found[key] = value
                if "\0" in value:
                    raise self._unreadable()
            at = end
        return found

    def _unreadable(self) -> DataProblem:
        return DataProblem(f"{self._name}: PAX records cannot be read; make it again")

    def _raw(self, header: tarfile.TarInfo) -> bytes:
        """The data of a header that tells about the next."""
        if header.size > MOST_ABOUT:
            raise DataProblem(f"{self._name}: {header.size:,} bytes are too many for a name; make it again")
        return self._read(_padded(header.size))[: header.size]

    def _read(self, size: int, may_end: bool = False) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(size)
        if len(data) < size and (data or not may_end):
            raise DataProblem(f"{self._name}: ends within a header: it is truncated; make it again")
        self._at += size
        return data


def _objection(header: tarfile.TarInfo) -> str:
    if header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith(_SPARSE) for key in header.pax_headers):
        return "a sparse file: put it into the tar as a whole"
    if "size" in header.pax_headers:
        return "its size is told by a PAX record: make the tar again"
    try:
        header.name.encode()
    except UnicodeEncodeError:
        return "a name that is not UTF-8: rename it"
    return ""


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def read_member(path: Path, member: Member) -> bytes:
    """Return the content of a member of a tar."""
    with path.open("rb") as file:
        file.seek(member.data)
        return file.read(member.size)


class Splice:
    """Writes a tar anew: members are replaced, in their order, and all between them is copied byte for byte."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._at = 0
        self._read, self._written, self._content = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._size = 0

    def replace(self, member: Member, data: bytes, content: str) -> None:
        """Put other data in the place of a member's; `content` is a digest of what they say."""
        self._copy(member.header)
        header = self._take(member.header + BLOCK)
        self._put(_with_size(header, len(data)) if len(data) != member.size else header)
        self._put(data)
        while self._at < member.end:
            self._take(min(member.end, self._at + PIECE))
        self._put(bytes(-len(data) % BLOCK))
        self._content.update(f"{member.name}\0{content}\0".encode())

    def finish(self) -> tuple[tuple[str, int], tuple[str, int], str]:
        """Copy the rest; return SHA-256 and size of what was read, those of what was written, and a digest.

        That is of all that was copied, with the names of those that were replaced, and what these say.
        """
        self._copy(self._source.seek(0, os.SEEK_END))
        return (self._read.hexdigest(), self._at), (self._written.hexdigest(), self._size), self._content.hexdigest()

    def _copy(self, until: int) -> None:
        while self._at < until:
            piece = self._take(min(until, self._at + PIECE))
            self._put(piece)
            self._content.update(piece)

    def _take(self, until: int) -> bytes:
        self._source.seek(self._at)
        piece = self._source.read(until - self._at)
        if not piece:
            raise DataProblem("the tar became shorter while it was read; start again")
        self._at += len(piece)
        self._read.update(piece)
        return piece

    def _put(self, piece: bytes) -> None:
        self._sink.write(piece)
        self._written.update(piece)
        self._size += len(piece)


def _with_size(header: bytes, size: int) -> bytes:
    """Return a header that says another size; of it only that and its checksum change."""
    new = bytearray(header)
    new[_SIZE] = b"%011o" % size + (b" " if header[135] == ord(" ") else b"\0")
    new[_CHECKSUM] = b" " * 8
    new[_CHECKSUM] = b"%06o\0 " % sum(new)
    return bytes(new)
