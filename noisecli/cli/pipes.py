"""CSV through pipes: `-` for stdin and stdout, by way of files, since facts need a second look at the data."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from noisecli.errors import UsageProblem

PIPE = "-"

STARTS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "Parquet", b"ARROW1": "Arrow", b'{"': "JSON Lines"}
"""How files begin that are no plain CSV."""


@contextmanager
def piped(source: Path, output: str) -> Iterator[tuple[Path, str]]:
    """Give the files that stand for INPUT and OUTPUT; what was written goes to stdout when the run is complete."""
    if PIPE not in (str(source), output):
        yield source, output
        return
    with TemporaryDirectory(prefix="noisecli-") as folder:
        if str(source) == PIPE:
            source = Path(folder, "stdin.csv")
            with source.open("wb") as spool:
                shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
            _refuse_other_formats(source)
        if output != PIPE:
            yield source, output
            return
        written = Path(folder, "out", "stdout.csv")
        yield source, str(written)
        if written.is_dir():
            raise UsageProblem("-: several files cannot go through one pipe: name a folder")
        if written.exists():  # not after --dry-run
            with written.open("rb") as result:
                shutil.copyfileobj(result, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()


def _refuse_other_formats(spooled: Path) -> None:
    with spooled.open("rb") as file:
        start = file.read(8)
    for mark, name in STARTS.items():
        if start.startswith(mark):
            raise UsageProblem(f"-: a pipe carries plain CSV, and this is {name}: unpack it first, or name the file")
