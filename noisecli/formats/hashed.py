"""A file that is hashed while it is written."""

import hashlib
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType

from noisecli.formats import Proof

WAITING = 8
"""Blocks that may wait to be hashed: writing is faster, and must not fill the memory."""


class HashedFile:
    """A new file, written from its start to its end; another thread hashes what is written meanwhile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._digest, self._size = hashlib.sha256(), 0
        self._blocks: Queue[bytes | None] = Queue(WAITING)
        self._thread = Thread(target=self._hash, daemon=True)

    def __enter__(self) -> "HashedFile":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._blocks.put(None)
        self._thread.join()
        self._file.close()

    def write(self, block: bytes) -> int:
        """Append a block."""
        self._size += len(block)
        self._blocks.put(block)
        return self._file.write(block)

    @property
    def proof(self) -> Proof:
        """SHA-256 and size, once all is written."""
        return self._digest.hexdigest(), self._size

    def _hash(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)
