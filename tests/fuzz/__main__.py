"""Damage on its way through the Python doors, in a process that may die: `python -m fuzz .csv:0:2000 manifest:0:9`.

Each case has a line on stdout, in JSON: what came of it, and the most memory so far. It ends at the first that hangs.
"""

import faulthandler
import json
import random
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz.documents import damaged, sound
from fuzz.mutate import mutant

from noisecli import augment, replay, verify
from noisecli.errors import NoiseError

MOST_SECONDS = 10
MOST_MEMORY = 8 << 30
"""For the sake of whoever else is on the machine; the tests allow far less."""

STEPS: dict[str, tuple[list[dict[str, Any]], ...]] = {
    "table": (
        [{"op": "gaussian_noise", "columns": ["x"], "rate": 0.5}, {"op": "typo", "columns": ["y"], "rate": 0.5}],
        [{"op": "missing", "columns": "all", "rate": 0.3}, {"op": "shuffle"}],
        [{"op": "word_swap", "columns": ["y"]}, {"op": "duplicate", "rate": 0.3}],
    ),
    "images": (
        [{"op": "brightness", "rate": 1}],
        [{"op": "gaussian_noise", "rate": 1}, {"op": "truncate_file", "rate": 0.5}],
        [{"op": "jpeg_compression", "rate": 1}],
    ),
}


def document(suffix: str, which: int) -> dict[str, Any]:
    """A recipe for a damaged file."""
    rng = random.Random(which)
    steps = rng.choice(STEPS["images" if suffix in (".png", ".jpg") else "table"])
    return {"noisecli": 1, "seed": 1, "on_error": rng.choice(["fail", "skip"]), "steps": steps}


def strike(folder: Path, suffix: str, which: int) -> str:
    """Make a noisy copy of a damaged file; say what came of it."""
    source, out = folder / f"in{suffix}", folder / "out" / f"in{suffix}"
    source.write_bytes(mutant(suffix, which))
    out.parent.mkdir()
    try:
        augment(source, document(suffix, which), out, truth=which % 3 == 0 and suffix not in (".png", ".jpg"))
    except NoiseError as error:
        return remains(out.parent) or f"refused: {error}"
    return "; ".join(verify(out, source)[1]) or "done"


def trust(folder: Path, kind: str, which: int) -> str:
    """Verify and replay what a damaged manifest says; say what came of it."""
    source, out, before = sound(folder, which)
    damaged(out, which)
    told = []
    again = folder / "again" / out.name
    again.parent.mkdir()
    try:
        told.append("verified" if not verify(out, source)[1] else "faults")
        replay(out, source, again)
        told.append("replayed" if not verify(again, source)[1] else "again wrong")
    except NoiseError as error:
        told.append(remains(again.parent) or f"refused: {error}")
    after = {path.name for path in folder.iterdir()}
    return f"leaves {after - before}" if after - before - {"again"} else ", ".join(told)


def remains(folder: Path) -> str:
    """What is left of a refused run, where nothing should be."""
    left = sorted(path.name for path in folder.iterdir())
    return f"leaves {left}" if left else ""


def peak() -> int:
    """Return the most memory that this process has had, in MB.

    Not by `getrusage`: on Linux a child's figure begins with that of the process that forked it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 20 if sys.platform == "darwin" else 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> unit
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def main(*ranges: str) -> None:
    """Run some cases, a line each."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    faulthandler.enable()
    for part in ranges:
        kind, first, stop = part.split(":")
        attempt: Callable[[Path, str, int], str] = trust if kind == "manifest" else strike
        for which in range(int(first), int(stop)):
            with tempfile.TemporaryDirectory() as folder:
                faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
                try:
                    said = attempt(Path(folder), kind, which)
                except Exception:
                    said = "raises " + traceback.format_exc()
                faulthandler.cancel_dump_traceback_later()
            most = peak()
            print(json.dumps({"case": f"{kind}:{which}", "said": said, "most": most}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
