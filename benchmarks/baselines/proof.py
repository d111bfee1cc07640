"""What noisecli does to every file, and so do the copies that it is compared with: SHA-256, and one fsync."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_beside(path: Path) -> "Future[str]":
    """Begin to hash a file in a thread of its own, so that it costs no time where a core is free."""
    return ThreadPoolExecutor(1).submit(sha256, path)


def sync(paths: Iterable[Path], threads: int = 1) -> None:
    """Wait until the files are on the disk."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
