"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from noisecli.cli.show import is_plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Meter = Callable[[str, int, int], None]

WORTH_TELLING = 10_000_000
"""Bytes below which a stage gets no lines where there is no terminal."""

LABELS = {"survey": "reading the facts", "write": "writing"}


@contextmanager
def progress(quiet: bool) -> Iterator[Meter | None]:
    """Give a function that is told the stage, the bytes done and the bytes in all."""
    if quiet:
        yield None
    elif is_plain(sys.stderr):
        yield _plain()
    else:
        bar = _bar()
        try:
            yield _on_terminal(bar)
        finally:
            bar.stop()


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description:18}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _on_terminal(bar: "Progress") -> Meter:
    stages: dict[str, TaskID] = {}

    def meter(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            bar.start()  # not before: it starts a thread, and then no workers can be forked
            stages[stage] = bar.add_task(LABELS[stage], total=total)
        bar.update(stages[stage], completed=done)

    return meter


def _plain() -> Meter:
    """A line at every tenth of a stage that is not soon done."""
    shown: dict[str, int] = {}

    def meter(stage: str, done: int, total: int) -> None:
        # What is unpacked may be more than there is.
        tenth = min(10 * done // total, 10) if total >= WORTH_TELLING else 0
        if tenth > shown.get(stage, 0):
            shown[stage] = tenth
            print(f"{LABELS[stage]}: {10 * tenth} % of {total / 1e6:.1f} MB", file=sys.stderr, flush=True)

    return meter
