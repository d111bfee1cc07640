"""Times taken inside a process, handed to the one that compares."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Wall and CPU seconds of named parts."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, float]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Take the time of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._parts[name] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    def print(self) -> None:
        """Say it on stdout, as the last line."""
        print(json.dumps(self._parts))
