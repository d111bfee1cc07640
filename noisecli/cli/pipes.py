"""CSV through pipes: `-` for stdin and stdout, by way of files, since facts need a second look at the data."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from noisecli.errors import UsageProblem
from noisecli.recipe import Recipe
from noisecli.run.dataset import format_of
from noisecli.run.guard import told_when_full

PIPE = "-"

STARTS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "Parquet", b"ARROW1": "Arrow", b'{"': "JSON Lines"}
"""How files begin that are no plain CSV."""


@contextmanager
def piped(source: Path, output: str) -> Iterator[tuple[Path, str]]:
    """Give the files that stand for INPUT and OUTPUT; what was written goes to stdout when the run is complete."""
    if PIPE not in (str(source), output):
        yield source, output
        return
    if output == PIPE and str(source) != PIPE and format_of(source) not in (".csv", ".tsv"):
        raise UsageProblem(f"-: a pipe carries one plain CSV file, and {source} is none: name an output")
    with TemporaryDirectory(prefix="noisecli-") as folder:
        if str(source) == PIPE:
            source = Path(folder, "stdin.csv")
            with told_when_full(source), source.open("wb") as spool:
                shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
            _refuse_other_formats(source)
        if output != PIPE:
            yield source, output
            return
        written = Path(folder, "out", f"stdout{source.suffix}")
        yield source, str(written)
        if written.exists():  # not after --dry-run
            with written.open("rb") as result:
                shutil.copyfileobj(result, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()


def refuse(**options: object) -> None:
    """Refuse options that have no meaning where the data goes to stdout."""
    for name, given in options.items():
        if given:
            raise UsageProblem(f"--{name.replace('_', '-')}: the data goes to stdout; name an output file")


def refuse_several(recipe: Recipe) -> None:
    """Refuse what makes more than one file, before any data is read."""
    if len(recipe.head.written) > 1 or recipe.sweep:
        raise UsageProblem("-: the recipe makes several copies, and one pipe carries one: name a folder")


def _refuse_other_formats(spooled: Path) -> None:
    with spooled.open("rb") as file:
        start = file.read(8)
    for mark, name in STARTS.items():
        if start.startswith(mark):
            way = "unpack it first, or name the file" if name in ("gzip", "zstd") else "name the file"
            raise UsageProblem(f"-: a pipe carries plain CSV, and this is {name}: {way}")
