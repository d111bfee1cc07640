"""Where work runs. Everything here speaks `concurrent.futures`."""

import gc
import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal, Protocol, TypeVar

from noisecli.errors import SystemProblem, UsageProblem

WORKER = "noisecli-worker"
"""Name of a process that works."""

UNGUARDED = 86
"""Exit code of one that begins a run of its own because it imports the script that begins runs."""

RETRIES = 2
"""How often a task is done again after the process that worked on it has died."""


class Task(Protocol):
    """What a pool is given to do. Done again after half of it was done it comes to the same."""

    @property
    def name(self) -> str:
        """The file that it is about, for faults."""


T = TypeVar("T", bound=Task)
R = TypeVar("R")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_if_worker() -> None:
    """End this process if it is a worker: only for want of a guard in a script does one come to begin a run."""
    if multiprocessing.current_process().name == WORKER:
        os._exit(UNGUARDED)


class Inline(Executor):
    """Runs each task at once, in this process."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Runs each task in one of several processes; where one dies, another does its task again.

    Each has a pipe and a thread of its own here. So it is known which task a process died of, and it takes no lock with
    it that all wait for, as it can in the pool of the standard library.
    """

    def __init__(self, workers: int, lean: bool) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], Any] | None] = queue.SimpleQueue()
        self._stopped = False
        self._workers = [_Worker(lean) for _ in range(workers)]
        if lean and _may_fork():  # what other code has begun may not stand a fork, such as threads of OpenMP
            for worker in self._workers:
                worker.fork(self._workers)
        else:
            _start_server()
        self._threads = [threading.Thread(target=self._serve, args=(each,), daemon=True) for each in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        (task,) = args
        self._jobs.put((future, fn, task))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, at once where nobody waits for what they do; none is left then."""
        if cancel_futures:
            self._stopped = True
            for worker in self._workers:
                worker.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, worker: "_Worker") -> None:
        while (job := self._jobs.get()) is not None and not self._stopped:
            future, function, task = job
            try:
                future.set_result(worker.do(function, task))
            except Exception as error:
                future.set_exception(error)
            del job, future, task  # a result must not be kept until the next is there
        worker.end()


class _Worker:
    """One process at a time, forked at the start or else begun when there is something to do."""

    def __init__(self, lean: bool) -> None:
        self._lean = lean
        self._process: BaseProcess | None = None
        self._channel: Connection | None = None
        self._beginning, self._stopped = threading.Lock(), False

    def do(self, function: Callable[[T], R], task: T) -> R:
        """Do a task, again where the process dies of it."""
        code = 0
        for _ in range(1 + RETRIES):
            channel = self._begin()
            try:
                channel.send((function, task))
                result, error = channel.recv()
            except (EOFError, OSError):
                code = self.end()
                if code == UNGUARDED:
                    raise UsageProblem(
                        "workers: each worker imports the script that it is begun by, and this one begins a run when "
                        'it is imported: put that under `if __name__ == "__main__":`, or ask for one worker'
                    ) from None
                continue
            if error is not None:
                raise error
            done: R = result
            return done
        how = f"signal {-code}, perhaps for lack of memory" if code < 0 else f"exit code {code}"
        raise SystemProblem(
            f"{task.name}: {1 + RETRIES} processes died of it, one after the other ({how}): try --workers 1"
        )

    def _begin(self) -> Connection:
        with self._beginning:
            if self._stopped:
                raise SystemProblem("the run was stopped")
            if self._channel is None:
                # Forking a process that runs threads can deadlock: a server that runs none forks it.
                _start_server()
                self._start("forkserver")
            assert self._channel is not None
            return self._channel

    def fork(self, all_workers: Iterable["_Worker"]) -> None:
        """Fork the process off this one, so that it need not import what is imported here."""
        inherited = [worker._channel for worker in all_workers if worker._channel is not None]
        with _undisturbed(signal.SIGINT, signal.SIGHUP, signal.SIGTERM), warnings.catch_warnings():
            # Python counts the threads of libraries, too, which let go of their locks for a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._start("fork", inherited)

    def _start(self, method: Literal["fork", "forkserver"], inherited: Sequence[Connection] = ()) -> None:
        context: Any = multiprocessing.get_context(method)
        self._channel, theirs = context.Pipe()
        closed = [*inherited, self._channel] if method == "fork" else []
        self._process = context.Process(target=_work, args=(theirs, self._lean, closed), name=WORKER)
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        """End the process whatever it does, and begin none any more."""
        with self._beginning:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> int:
        """End the process, which has nothing to do any more, and return its exit code."""
        with self._beginning:
            process, channel = self._process, self._channel
            self._process = self._channel = None
        if process is None or channel is None:
            return 0
        channel.close()
        process.join()
        return process.exitcode or 0


class Pool:
    """An executor, and how much work it is given at a time."""

    def __init__(self, executor: Executor, workers: int) -> None:
        self._executor = executor
        self._in_flight = 2 * workers
        self.shared = workers > 1
        """Whether there are several workers."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the results in the order of the tasks; only a few are under way at a time, so memory is bounded."""
        waiting: deque[Future[R]] = deque()
        for task in tasks:
            waiting.append(self._executor.submit(function, task))
            if len(waiting) >= self._in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
    executor = Processes(workers, lean)
    try:
        yield Pool(executor, workers)
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()


def _may_fork() -> bool:
    """Whether this program has chosen to fork its processes, and no thread of it can hold a lock that they need."""
    return multiprocessing.get_start_method(allow_none=True) == "fork" and threading.active_count() == 1


@contextmanager
def _undisturbed(*deaf: signal.Signals) -> Iterator[None]:
    """Let signals wait while a process is begun, which is deaf to some until it says otherwise.

    To block them here would not do: threads of libraries would take them and wake this one.
    """
    on_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if on_main else ()
    waiting: list[int] = []
    handlers = {number: signal.signal(number, lambda got, frame: waiting.append(got)) for number in numbers}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


def _start_server() -> None:
    """Start the server that forks the workers, unless it is running.

    It is deaf to Ctrl-C and to a terminal that is closed, and so are they: the signal reaches the whole group, but this
    process alone decides what happens.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(["noisecli.run.preload"])
    resource_tracker.ensure_running()  # unblocks signals when it starts, so it comes first
    with _undisturbed(signal.SIGINT, signal.SIGHUP):
        forkserver.ensure_running()


def _work(channel: Connection, lean: bool, inherited: Sequence[Connection]) -> None:
    """Do what comes through a pipe until it is closed; this is all that a worker does.

    Ends of pipes that a fork has brought along are closed: while they are open here, nobody hears that they are there.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    for end in inherited:
        end.close()
    gc.freeze()  # what a fork has brought along stays, and is not looked at for garbage
    from noisecli.engine.memory import keep_freed_memory

    keep_freed_memory()
    if lean:
        _hide_pandas()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        while True:
            channel.send(_answer(channel))
            gc.collect()  # what a task leaves may be large


def _answer(channel: Connection) -> tuple[Any, Exception | None]:
    try:
        function, task = channel.recv()
    except EOFError:
        raise
    except Exception as error:
        return None, error  # what was sent cannot be had in this process
    try:
        return function(task), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error


def _leave_with_parent() -> None:
    """End this worker when the parent is gone, even killed: nobody waits for its work any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
