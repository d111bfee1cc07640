"""All or nothing: work in a hidden sibling, then put companions, manifest and data in place with one rename each."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from noisecli.errors import UsageProblem
from noisecli.manifest import BESIDE, beside, path_for, read, strangers
from noisecli.run.dataset import format_of


def settle_output(given: Path, source: Path, several: bool, into: bool) -> Path:
    """Return where the output will stand.

    Args:
        given: OUTPUT as the user wrote it.
        source: INPUT.
        several: whether the output is a folder of copies or of files.
        into: whether OUTPUT was written with a slash at its end.
    """
    if not several and (into or given.is_dir()):
        return given / source.name
    if given.name == "-":
        raise UsageProblem("-: the output cannot be a pipe, a manifest has to stand beside it: name a file")
    if not several and format_of(given) not in (None, format_of(source)):
        raise UsageProblem(f"{given}: what is written has another format: let the name end as in {source.name}")
    return given


def check_output(output: Path, source: Path, force: bool) -> None:
    """Refuse outputs that exist, or that lie in the input or around it."""
    real, real_source = output.resolve(), source.resolve()
    if real == real_source:
        raise UsageProblem(f"{output}: the output is the input: choose another place")
    if source.is_dir() and real.is_relative_to(real_source):
        raise UsageProblem(f"{output}: lies inside the input {source}: choose another place")
    if real_source.is_relative_to(real):
        raise UsageProblem(f"{output}: the input {source} lies inside it: choose another place")
    standing = [beside(output, suffix) for suffix in BESIDE]
    for path in standing:
        if path.resolve() == real_source or (source.is_dir() and path.resolve().is_relative_to(real_source)):
            raise UsageProblem(f"{path}: would lie inside the input: choose another place")
    for path in (output, *standing):
        if path.exists() and not force:
            raise UsageProblem(f"{path}: exists; --force replaces it")
        if path.is_dir() and path != output:
            raise UsageProblem(f"{path}: a folder, so not noisecli's: move it away first")
        if is_special(path):
            raise UsageProblem(f"{path}: neither a file nor a folder, and would be replaced: choose another place")
    manifest = path_for(output)
    if output.is_dir() and manifest.exists():
        others = strangers(read(manifest), output)
        if others:
            raise UsageProblem(f"{others[0]}: not made by noisecli, --force would delete it: move it away first")
    elif output.is_dir() and any(output.iterdir()):
        raise UsageProblem(
            f"{output}: a folder without a manifest beside it, so perhaps not noisecli's: remove it yourself"
        )


def is_special(path: Path) -> bool:
    """Whether something stands there that a file cannot replace without harm: a device, a pipe, a link to nowhere."""
    return os.path.lexists(path) and not path.is_file() and not path.is_dir()


@contextmanager
def workspace(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside the output; it is gone afterwards, whatever happens."""
    new_parents = [folder for folder in output.parents if not folder.exists()]
    output.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".noisecli-", dir=output.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for folder in new_parents if not output.exists() else ():
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place to write a file, which then takes the place of what stands at `path`: whole, or not at all."""
    with workspace(path) as work:
        draft = work / path.name
        yield draft
        draft.replace(path)


def commit(work: Path, data: Path, companions: Mapping[str, Path], output: Path) -> None:
    """Put companions and manifest in place, then the data.

    What stood there comes back if that fails, and goes if it does not; companions that this run did not make go too.

    Args:
        work: the hidden folder.
        data: what is to be the output.
        companions: finished files in the hidden folder, the manifest too, by how their names shall end.
        output: where the output will stand.
    """
    made = {**companions, "": data}
    try:
        for suffix in ("", *BESIDE):
            standing = beside(output, suffix)
            if standing.exists():
                standing.rename(_aside(work, suffix))
        for suffix, new in made.items():
            new.rename(beside(output, suffix))
    except BaseException:
        if not data.exists():
            return  # the interrupt came when everything was done
        try:
            _put_back(work, made, output)
        finally:
            _put_back(work, made, output)  # nothing is left to do, unless a second interrupt came
        raise


def _aside(work: Path, suffix: str) -> Path:
    return work / f"old{suffix}"


def _put_back(work: Path, made: Mapping[str, Path], output: Path) -> None:
    """Undo what was done of a commit; this may be done again."""
    for suffix in ("", *BESIDE):
        standing, aside = beside(output, suffix), _aside(work, suffix)
        if suffix in made and not made[suffix].exists():
            standing.rename(made[suffix])
        if aside.exists():
            aside.rename(standing)
