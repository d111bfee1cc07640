"""What Ctrl-C and `kill` do: everything cleans up on the way out, and soon."""

import _thread
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

PATIENCE = 1.2
"""Seconds until a run that does not end by itself is ended: in a long calculation Python hears no signal."""

SAID = {
    signal.SIGINT: "interrupted; nothing was written",
    signal.SIGTERM: "terminated; nothing was written",
    signal.SIGHUP: "the terminal was closed; nothing was written",
}


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; raised so that everything cleans up on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)


@contextmanager
def heeded() -> Iterator[None]:
    """Let the first signal unwind the command; later ones must not disturb the cleaning up."""
    numbers = [number for number in SAID if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = {number: signal.signal(number, _unwind) for number in numbers}
    arrived, sent = os.pipe()
    os.set_blocking(sent, False)
    before = signal.set_wakeup_fd(sent, warn_on_full_buffer=False)
    _thread.start_new_thread(_leave_in_time, (arrived,))  # it waits and holds no lock, so it does not count as a thread
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(sent)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    for each in SAID:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def _leave_in_time(arrived: int) -> None:
    """Wait for a signal, and end this process if it is still there some time later."""
    with os.fdopen(arrived, "rb", buffering=0) as numbers:
        number = numbers.read(1)
    if not number:
        return  # the command is over
    time.sleep(PATIENCE)
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    workspaces = sys.modules.get("noisecli.run.workspace")
    if workspaces is not None:
        workspaces.abandon()
    with suppress(OSError):  # the terminal may be gone
        os.write(2, f"error: {SAID[signal.Signals(number[0])]}\n".encode())
    os._exit(128 + number[0])
