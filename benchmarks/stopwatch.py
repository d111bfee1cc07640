"""Times taken inside a process, handed to the one that compares."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

CALLS = 5
Result = TypeVar("Result")


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

    def calls(self, name: str, call: Callable[[], Result]) -> Result:
        """Take the median time of several calls after one to warm up, and return what they return."""
        result = call()
        took = []
        for _ in range(CALLS):
            with self.part(name):
                result = call()
            took.append(self._parts[name])
        self._parts[name] = {clock: statistics.median(each[clock] for each in took) for clock in ("wall", "cpu")}
        return result

    def print(self) -> None:
        """Say it on stdout, as the last line."""
        print(json.dumps(self._parts))
