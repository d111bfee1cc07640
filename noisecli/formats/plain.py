"""Text files that are compressed or not in UTF-8: read through a plain copy, written packed as the input is."""

import atexit
import codecs
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from noisecli.errors import DataProblem
from noisecli.formats import Assembled, Reading
from noisecli.formats.hashed import HashedFile

BLOCK_BYTES = 1 << 20
"""How much is packed or unpacked at once."""

COMPRESSED = frozenset({".gz", ".zst"})
"""Extensions that a file of text may have after its own."""

MARKS = {"utf-16": (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE), "utf-32": (codecs.BOM_UTF32_BE, codecs.BOM_UTF32_LE)}
"""Byte order marks, of the big-endian and the little-endian form."""


class Packing:
    """How one text file is packed: compressed by its name, encoded as the reading or its byte order mark says."""

    def __init__(self, path: Path, name: str, reading: Reading, plain: bool = False) -> None:
        """Take a file; `plain` says that it is not compressed, whatever its name."""
        self._path = path
        self._name = name
        self._reading = reading
        self._compression = path.suffix.lower() if path.suffix.lower() in COMPRESSED and not plain else None

    @property
    def packed(self) -> bool:
        """Whether the file is anything but plain UTF-8."""
        return self._compression is not None or self._codec is not None

    def start(self, size: int) -> bytes:
        """Return the first so many bytes of the text as plain UTF-8."""
        start = bytearray()
        for block in self._decoded():
            start += block
            if len(start) >= size:
                break
        return bytes(start[:size])

    def unpack(self) -> Path:
        """Return the path of the text as plain UTF-8: the file itself, or a copy that is made when first needed."""
        if not self.packed:
            return self._path
        folder = self._reading.spool or _own_spool()
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / self._key()
        if not copy.exists():
            handle, draft = tempfile.mkstemp(dir=folder)
            try:
                os.close(handle)
                with Path(draft).open("wb") as file:
                    file.writelines(self._decoded())
                Path(draft).replace(copy)
            finally:
                Path(draft).unlink(missing_ok=True)
        return copy

    def pack(self, blocks: Iterable[bytes], target: Path, errors: str = "strict") -> Assembled:
        """Write plain UTF-8 as the input is packed; what is packed has that for its content.

        With `errors="surrogateescape"` bytes that are no UTF-8 stand for themselves in any encoding.
        """
        if not self.packed:
            with HashedFile(target) as file:
                for block in blocks:
                    file.write(block)
            return Assembled(proof=file.proof)
        digest = hashlib.sha256()

        def read() -> Iterator[bytes]:
            for block in blocks:
                digest.update(block)
                yield block

        with ExitStack() as stack:
            self._create(target, stack).writelines(self._encoded(read(), errors))
        return Assembled(digest.hexdigest())

    @property
    def codec(self) -> str:
        """How the text is encoded, with its byte order."""
        return self._codec or "utf-8"

    def _key(self) -> str:
        found = self._path.stat()
        key = f"{self._codec} {found.st_size} {found.st_mtime_ns} ".encode() + os.fsencode(self._path.absolute())
        return hashlib.blake2b(key, digest_size=16).hexdigest()

    @cached_property
    def _codec(self) -> str | None:
        """The codec, with its byte order settled; None for UTF-8."""
        try:
            codec = codecs.lookup(self._reading.encoding or "utf-8")
            "".encode(codec.name)
        except (LookupError, UnicodeError):
            raise DataProblem(f"{self._name}: no encoding {self._reading.encoding!r}: name one like latin-1") from None
        start = next(self._blocks(), b"")
        if self._reading.encoding is None and start.startswith(MARKS["utf-16"]):
            codec = codecs.lookup("utf-16")
        if codec.name in MARKS:
            big, _ = MARKS[codec.name]
            return f"{codec.name}-{'be' if start.startswith(big) else 'le'}"
        return None if codec.name in ("utf-8", "utf-8-sig") else codec.name

    @property
    def _encoding(self) -> str:
        """What faults call the encoding."""
        return self._reading.encoding or str(self._codec)

    def _blocks(self) -> Iterator[bytes]:
        """The file's bytes without their compression."""
        try:
            with self._open() as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        except (OSError, EOFError, zlib.error) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise DataProblem(
                f"{self._name}: the {self._compression} data are damaged or cut off: make the file again"
            ) from None

    def _open(self) -> Any:
        if self._compression == ".gz":
            return gzip.open(self._path)
        if self._compression == ".zst":
            return pa.CompressedInputStream(pa.OSFile(os.fsencode(self._path)), "zstd")
        return self._path.open("rb")

    def _create(self, target: Path, stack: ExitStack) -> Any:
        file = stack.enter_context(target.open("wb"))
        if self._compression == ".gz":
            return stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))
        if self._compression == ".zst":
            return _Writer(stack.enter_context(pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd")))
        return file

    def _decoded(self) -> Iterator[bytes]:
        """The file as UTF-8; fails unless encoding that again gives the file's very bytes."""
        if self._codec is None:
            yield from self._blocks()
            return
        decoder = codecs.getincrementaldecoder(self._codec)()
        encoder = codecs.getincrementalencoder(self._codec)()
        pending = b""
        for block in _ended(self._blocks()):
            pending += block
            try:
                text = decoder.decode(block, not block)
                again = encoder.encode(text, not block)
                plain = text.encode()
            except UnicodeError:
                raise DataProblem(f"{self._name}: is not {self._encoding} text: name its true encoding") from None
            if not pending.startswith(again) or (not block and pending != again):
                raise DataProblem(
                    f"{self._name}: as {self._encoding} it would not be written back the same: convert it to UTF-8"
                )
            pending = pending[len(again) :]
            yield plain

    def _encoded(self, blocks: Iterator[bytes], errors: str) -> Iterator[bytes]:
        if self._codec is None:
            yield from blocks
            return
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        encoder = codecs.getincrementalencoder(self._codec)(errors)
        for block in _ended(blocks):
            try:
                yield encoder.encode(decoder.decode(block, not block), not block)
            except UnicodeEncodeError as error:
                lost = error.object[error.start]
                raise DataProblem(
                    f"{self._name}: {self._encoding} cannot hold {lost!r}, which a step wrote: convert it to UTF-8"
                ) from None


class _Writer:
    """Arrow's compressing stream, as far as a file is asked of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def writelines(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._stream.write(block)


def _ended(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks that are not empty, and an empty one for the end."""
    yield from filter(None, blocks)
    yield b""


@cache
def _own_spool() -> Path:
    """A folder of this process, gone when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="noisecli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
