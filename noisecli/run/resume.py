"""Goes on where a run was killed: a log in its hidden folder tells what was done, and what is done is not done again.

The results of tasks, and the tables that are put together of them, come in the same order in every run of the same
terms. So the lines of the log stand for the first of them.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import takewhile, tee
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from noisecli import __version__
from noisecli import manifest as manifests
from noisecli.engine import Counts, Tally
from noisecli.errors import UsageProblem
from noisecli.executors import Pool, Task
from noisecli.facts import Facts
from noisecli.formats import Written
from noisecli.recipe import Recipe
from noisecli.run.images.write import FileDone, FilesDone
from noisecli.run.outside import Outside, packages
from noisecli.run.work import TableDone
from noisecli.run.workspace import LOCK, folder_for

LOG = "log"
"""A file in the hidden folder: the terms of the run, then a line for each thing that is done."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another one after a loss of power, when what was written last may be lost or hold zeros."""

MATTERS = {
    "recipe": "the recipe",
    "facts": "what `facts` names",
    "input": "the input",
    "version": "noisecli, a library, or what steps take from outside the recipe",
}
"""What bytes depend on, by the keys of the terms."""

Terms = Mapping[str, Any]
T = TypeVar("T", bound=Task)
R = TypeVar("R", TableDone, FilesDone)


def terms_of(recipe: Recipe, seen: Sequence[Any], facts: Facts | None, outside: Outside) -> Terms:
    """Return what has to be the same for a run to be continued, and the seed that it has.

    Args:
        recipe: what is done.
        seen: names, sizes and times of the files of the input.
        facts: those that are not taken from the data.
        outside: what steps take from outside the recipe.
    """
    code = [__version__, manifests.environment(packages(recipe)), dict(outside.code), dict(outside.files)]
    return {
        "seed": recipe.seed,
        "recipe": manifests.recipe_digest(recipe.document),
        "facts": None if facts is None else _digest(facts.model_dump(mode="json")),
        "input": _digest(seen),
        "version": _digest(code),
        "boot": BOOT.read_text().strip() if BOOT.exists() else None,
    }


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def left_terms(output: Path) -> Terms:
    """Return the terms of a run that was killed; none where there was none, or it had only begun."""
    return _read(folder_for(output))[0]


def refuse_other_terms(output: Path, terms: Terms) -> None:
    """Refuse to go on with a run of another recipe, of other data, or of other code."""
    left = left_terms(output)
    for key, what in MATTERS.items() if left else ():
        if left.get(key) != terms[key]:
            raise UsageProblem(f"{output}: --resume: {what} is not as it was for the killed run; --force starts anew")


@dataclass
class Line:
    """Something that is done."""

    files: dict[str, list[int]]
    """What was written for it, by path in the hidden folder, with sizes and times of modification in ns."""
    tally: list[tuple[str, str, dict[str, int], list[tuple[int, int, int]]]]
    written: Written | None = None
    """What came of parts of a table, which go when it is put together; None: it is about finished files."""
    done: list[FileDone] = field(default_factory=list)
    """What came of finished files."""

    def stands(self, work: Path) -> bool:
        """Whether everything is there."""
        return all(_look(work / name) == look for name, look in self.files.items())

    def result(self) -> TableDone | FilesDone:
        """Return what came of it."""
        tally: Tally = {
            (step, column): Counts(**numbers, transitions=Counter({(old, new): n for old, new, n in transitions}))
            for step, column, numbers, transitions in self.tally
        }
        return FilesDone(self.done, tally) if self.written is None else TableDone(self.written, tally)


class Log:
    """What a run has done. What it takes over from one that was killed comes first, and is not done again."""

    def __init__(self, work: Path, terms: Terms) -> None:
        """Take over what was done on the same terms, and clear everything else away."""
        self._work = work
        self._leftover = any(path.name != LOCK for path in work.iterdir())
        left, lines = _read(work)
        self._known = deque(_sound(work, lines) if left == terms and terms["boot"] else ())
        self.taken = len(self._known)
        """How many things are."""
        self.size = sum(look[0] for line in self._known if line.written is None for look in line.files.values())
        """Bytes of finished files among them."""
        self._clear({name for line in self._known for name in line.files})
        draft = work / f"{LOG}-new"
        with draft.open("w") as file:
            file.writelines(f"{_text(line)}\n" for line in (terms, *map(asdict, self._known)))
        draft.replace(work / LOG)
        self._writing = True

    def forget(self) -> None:
        """Take nothing over, and tell nothing: of such a run something is used up that no line tells of."""
        for name in (name for line in self._known for name in line.files):
            (self._work / name).unlink(missing_ok=True)
        self._known.clear()
        self.taken = self.size = 0
        (self._work / LOG).unlink()
        self._writing = False

    @property
    def starts_anew(self) -> bool:
        """Whether there was something, of which nothing could be taken over."""
        return self._leftover and not self.taken

    def map(
        self, pool: Pool, function: Callable[[T], R], tasks: Iterable[T], made: Callable[[T, R], Iterable[Path]]
    ) -> Iterator[tuple[T, R]]:
        """Yield tasks and their results, as the pool does; `made` tells the files that a task has written."""
        left = iter(tasks)
        while self._known:
            try:
                task = next(left)
            except StopIteration:
                return
            yield task, cast(R, self._known.popleft().result())
        handed, left = tee(left)
        for task, done in zip(left, pool.map(function, handed), strict=False):
            self._note(done, made(task, done))
            yield task, done

    def once(self, target: Path, make: Callable[[], FilesDone]) -> FilesDone:
        """Return what `make` does, which writes a finished file."""
        if self._known:
            return cast(FilesDone, self._known.popleft().result())
        done = make()
        self._note(done, [target])
        return done

    def _note(self, done: TableDone | FilesDone, made: Iterable[Path]) -> None:
        if not self._writing:
            return
        files = {path.relative_to(self._work).as_posix(): _look(path) for path in made if path.exists()}
        line = Line(files, [(*key, *_numbers(counts)) for key, counts in done.tally.items()])
        if isinstance(done, TableDone):
            line.written = done.written
        else:
            line.done = done.files
        with (self._work / LOG).open("a") as log:
            log.write(f"{_text(asdict(line))}\n")

    def _clear(self, known: set[str]) -> None:
        """Remove every file but some."""
        for folder, folders, files in os.walk(self._work, topdown=False):
            for path in (Path(folder, name) for name in files):
                if path.relative_to(self._work).as_posix() not in known | {LOCK, LOG}:
                    path.unlink(missing_ok=True)
            for name in folders:
                with suppress(OSError):
                    Path(folder, name).rmdir()


def _read(work: Path) -> tuple[Terms, Sequence[Line]]:
    """Return the terms and the lines of a log, up to the first that is not whole."""
    lines: list[Line] = []
    try:
        with (work / LOG).open() as log:
            line = TypeAdapter(Line)
            terms = json.loads(log.readline())
            for text in takewhile(lambda text: text.endswith("\n"), log):
                lines.append(line.validate_python(json.loads(text)))
    except FileNotFoundError:
        return {}, []
    except ValueError:
        if not lines:
            return {}, []
    return terms if isinstance(terms, dict) else {}, lines


def _sound(work: Path, lines: Sequence[Line]) -> list[Line]:
    """Return the first lines, as far as what they tell of stands; parts go when their table is finished."""
    finished = 0
    for number, line in enumerate(lines, start=1):
        if line.written is None:
            if not line.stands(work):
                break
            finished = number
    return [*lines[:finished], *takewhile(lambda line: line.stands(work), lines[finished:])]


def _numbers(counts: Counts) -> tuple[dict[str, int], list[tuple[int, int, int]]]:
    numbers = {name: number for name, number in vars(counts).items() if name != "transitions"}
    return numbers, [(old, new, n) for (old, new), n in counts.transitions.items()]


def _look(path: Path) -> list[int]:
    """Size and time of modification of a file; nothing where there is none."""
    return [(found := path.stat()).st_size, found.st_mtime_ns] if path.is_file() else []


def _text(data: Any) -> str:
    return json.dumps(data, default=lambda number: number.item())
