"""The command line: parse, call one function, print. Every error leaves through `main`."""

import gc
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from noisecli.cli.signals import SAID, Terminated, heeded
from noisecli.errors import CheckFailed, NoiseError

MANY_OBJECTS = 200_000
"""After so many more Python looks for garbage; a start makes fewer."""


def main() -> NoReturn:
    """Run the command line and leave with the exit code that fits."""
    if sys.platform == "linux":  # where pyarrow has jemalloc, which gives back more than its default; asked at import
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # workers are processes; numpy would begin threads at import
    gc.set_threshold(MANY_OBJECTS, 10, 10)  # modules are no garbage: looking at them as they come takes 0.07 s
    with heeded(), _forking():
        code = _guarded()
    gc.freeze()  # and at all of them in the end 0.1 s
    sys.exit(code)


@contextmanager
def _forking() -> Iterator[None]:
    """Let workers be forked: this process is ours, and has no threads when they are."""
    before = multiprocessing.get_start_method(allow_none=True)
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(before, force=True)


def _guarded() -> int:
    try:
        from noisecli.cli.app import run

        code = run()
        sys.stdout.flush()
        return code
    except CheckFailed as error:
        return _fail(str(error), error.exit_code, told=True)
    except NoiseError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(SAID[signal.SIGINT], 130)
    except Terminated as end:
        return _fail(SAID[end.number], 128 + end.number)
    except BrokenPipeError:
        _close_stdout()
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1)
    except MemoryError:
        return _fail("out of memory: try --workers 1", 1)
    except Exception as error:
        if os.environ.get("NOISECLI_TRACEBACK"):
            raise
        text = " ".join(str(error).split())[:300]
        advice = "this is a bug, please report it; NOISECLI_TRACEBACK=1 shows where"
        return _fail(f"{type(error).__name__}: {text} ({advice})", 1)


def _fail(message: str, code: int, told: bool = False) -> int:
    """Print a message on stderr, and under --json on stdout too, unless an object with the faults is there already."""
    if "--json" in sys.argv[1:] and not told:
        try:
            print(json.dumps({"error": message, "exit": code}), flush=True)
        except BrokenPipeError:
            _close_stdout()
    from noisecli.cli.marking import visible

    for line in message.splitlines():
        text = visible(line)
        print(text if line.startswith(" ") else f"error: {text}", file=sys.stderr)
    return code


def _close_stdout() -> None:
    """Who reads our output has seen enough; the interpreter must not complain when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
