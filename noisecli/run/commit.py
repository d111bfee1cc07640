"""All or nothing: work in a hidden sibling, then put companions, manifest and data in place with one rename each."""

import errno
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from noisecli.errors import UsageProblem
from noisecli.executors import Pool
from noisecli.manifest import BESIDE, beside, path_for, read, strangers
from noisecli.run.dataset import format_of
from noisecli.run.workspace import JOURNAL, LOCK, claimed, describe, folder_for, workspace

SYNCED_AT_ONCE = 8
"""Files: a disk that has to write many small ones is then 7 times as fast."""


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


def check_place(output: Path, source: Path) -> None:
    """Refuse outputs that are the input, or lie in it or around it, by whatever name."""
    if _is_same(output, source):
        raise UsageProblem(f"{output}: the output is the input: choose another place")
    if source.is_dir() and _is_within(output, source):
        raise UsageProblem(f"{output}: lies inside the input {source}: choose another place")
    if output.is_dir() and _is_within(source, output):
        raise UsageProblem(f"{output}: the input {source} lies inside it: choose another place")
    for path in (beside(output, suffix) for suffix in BESIDE):
        if _is_same(path, source) or (source.is_dir() and _is_within(path, source)):
            raise UsageProblem(f"{path}: would lie inside the input: choose another place")


def keep_sources(output: Path, sources: Iterable[Path]) -> None:
    """Refuse an output that would replace a file that the run reads, such as its recipe."""
    if not output.is_file():
        return
    for path in sources:
        if _is_same(output, path):
            raise UsageProblem(f"{output}: the run reads this file, and would replace it: choose another place")


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder that exists, whatever its letters' case, links and `..`."""
    return any(up.exists() and up.samefile(folder) for up in _real(path).parents)


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same entry of a folder; hard links are entries of their own."""
    here, there = _real(path), _real(other)
    if not (here.exists() and here.samefile(there)):
        return False
    return here.is_dir() or (here.parent.samefile(there.parent) and _folded(here.name) == _folded(there.name))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _real(path: Path) -> Path:
    """Return a path without links and `..`."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the latter before Python 3.13
        raise UsageProblem(f"{path}: a link that leads in a circle: remove it") from None


def check_standing(output: Path, force: bool, mend: bool, resume: bool = False) -> None:
    """Refuse to replace what stands where the output will stand, unless that is wanted and noisecli made it.

    Args:
        output: where the output will stand.
        force: replace what a run has made, and clear away what one that was killed has left.
        mend: undo what such a run left half in place.
        resume: leave there what such a run has left, to go on with it.
    """
    left = folder_for(output)
    if left.exists():
        owner = describe(left)
        with claimed(output) as work:
            if mend:
                _mend(work, output)
            if not (force or resume) and any(path.name != LOCK for path in work.iterdir()):
                advice = "--resume goes on with it, --force clears it away"
                raise UsageProblem(f"{output}: a run was killed and left {left} ({owner}); {advice}")
    standing = [beside(output, suffix) for suffix in BESIDE]
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
def replacing(path: Path) -> Iterator[Path]:
    """Give a place to write a file, which then takes the place of what stands at `path`: whole, or not at all."""
    with workspace(path) as work:
        draft = work / path.name
        yield draft
        draft.replace(path)


def commit(work: Path, data: Path, companions: Mapping[str, Path], output: Path, force: bool) -> None:
    """Put companions and manifest in place, then the data, once all of it has reached the disk.

    What stood there comes back if that fails, and goes if it does not; companions that this run did not make go too.

    Args:
        work: the hidden folder.
        data: what is to be the output.
        companions: finished files in the hidden folder, the manifest too, by how their names shall end.
        output: where the output will stand.
        force: replace what stands there; it may have come while the run went on.
    """
    made, journal = {**companions, "": data}, work / JOURNAL
    for suffix in ("", *BESIDE) if not force else ():
        if beside(output, suffix).exists():
            raise UsageProblem(f"{beside(output, suffix)}: came to exist while the run went on; --force replaces it")
    try:
        journal.write_text(json.dumps({suffix: new.name for suffix, new in made.items()}))
        inside = (item for new in made.values() if new.is_dir() for item in new.rglob("*"))
        _sync(chain(made.values(), inside, [journal, work]))
        for suffix in ("", *BESIDE):
            standing = beside(output, suffix)
            if standing.exists():
                standing.rename(_aside(work, suffix))
        for suffix, new in made.items():
            new.rename(beside(output, suffix))
    except BaseException:
        if data.exists():  # else everything was done
            try:
                _put_back(work, made, output)
            finally:
                _put_back(work, made, output)  # nothing is left to do, unless a second interrupt came
                journal.unlink(missing_ok=True)
            raise
    journal.unlink()


def _sync(paths: Iterable[Path]) -> None:
    """Wait until files and folders have reached the disk."""
    with ThreadPoolExecutor(SYNCED_AT_ONCE) as threads:
        for _ in Pool(threads, SYNCED_AT_ONCE).map(_sync_one, paths):
            pass


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.ENOTSUP,
        ):  # file systems that know no such thing, of folders above all
            raise
    finally:
        os.close(handle)


def _aside(work: Path, suffix: str) -> Path:
    return work / f"old{suffix}"


def _put_back(work: Path, made: Mapping[str, Path], output: Path) -> None:
    """Undo what was done of a commit; this may be done again. What others have put in the way meanwhile stays."""
    for suffix in ("", *BESIDE):
        standing, aside = beside(output, suffix), _aside(work, suffix)
        if suffix in made and not made[suffix].exists() and standing.exists():
            standing.rename(made[suffix])
        if aside.exists() and not standing.exists():
            aside.rename(standing)


def _mend(work: Path, output: Path) -> None:
    """Undo a commit in the midst of which a run was killed, so that what stood there before stands there again."""
    journal = work / JOURNAL
    if not journal.exists():
        return
    with suppress(ValueError):  # a run killed while it wrote the journal had put nothing in place
        made = {suffix: work / Path(name).name for suffix, name in json.loads(journal.read_text()).items()}
        if made[""].exists():  # else it was done
            _put_back(work, made, output)
    journal.unlink()
