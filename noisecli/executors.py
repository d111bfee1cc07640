"""Where work runs. Everything here speaks `concurrent.futures`."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any, TypeVar

from noisecli.errors import SystemProblem

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Inline(Executor):
    """Runs each task at once, in this process."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Pool:
    """An executor, and how much work it is given at a time."""

    def __init__(self, executor: Executor, workers: int) -> None:
        self._executor = executor
        self._in_flight = 2 * workers

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the results in the order of the tasks; only a few are under way at a time, so memory is bounded."""
        waiting: deque[Future[R]] = deque()
        try:
            for task in tasks:
                waiting.append(self._executor.submit(function, task))
                if len(waiting) >= self._in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise SystemProblem("a worker process died, perhaps for lack of memory: try --workers 1") from None


@contextmanager
def without_pandas() -> Iterator[None]:
    """Keep pyarrow from importing pandas, as it does for its first array: 35 MB and 0.2 s.

    Pyarrow works without it; only a Series would then be any sequence to it. So this is for processes of our own that
    run nobody else's code.
    """
    if "pandas" in sys.modules:
        yield
        return
    _hide_pandas()
    try:
        yield
    finally:
        del sys.modules["pandas"]


def _hide_pandas() -> None:
    import pyarrow as pa

    sys.modules["pandas"] = None  # type: ignore[assignment]
    with suppress(AttributeError, ImportError):  # its first try fails in a way that depends on how it was compiled
        pa.array([0])


@contextmanager
def local(workers: int, lean: bool = False) -> Iterator[Pool]:
    """Give a pool of local processes, or this process when one worker is enough; lean ones can do without pandas.

    On the way out of an error or an interrupt the workers are stopped at once, and gone when this returns.
    """
    if workers <= 1:
        yield Pool(Inline(), 1)
        return
    # Forking a process that runs Arrow's threads can deadlock: workers are forked from a server that runs none.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["noisecli.run.work"])
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(lean,))
    try:
        _launch(executor)
        yield Pool(executor, workers)
    except BaseException:
        processes = multiprocessing.active_children()
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        executor.shutdown(wait=False, cancel_futures=True)  # only now: it takes away what starting workers look for
        raise
    executor.shutdown()


def _launch(executor: Executor) -> None:
    """Start the server and the workers so that a signal finds all of them started, or none.

    The server is deaf to Ctrl-C, and so are the workers forked from it: the signal reaches the whole group, but the
    parent alone decides what happens.
    """
    resource_tracker.ensure_running()  # unblocks signals when it starts, so it comes first
    with _deferred(signal.SIGINT, signal.SIGTERM):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        executor.submit(os.getpid)  # the first task starts every worker


@contextmanager
def _deferred(*signals: signal.Signals) -> Iterator[None]:
    """Let signals wait. Blocking them would not do: numpy's threads would take them and wake this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers = {number: signal.signal(number, lambda got, frame: waiting.append(got)) for number in signals}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


def _start_worker(lean: bool) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if lean:
        _hide_pandas()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this worker when the parent is gone, even killed: nobody waits for its work any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
