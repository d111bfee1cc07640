"""A preview of tables: a run on the first rows, with facts from all over the input."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from noisecli.errors import DataProblem, NoiseError
from noisecli.facts import Facts
from noisecli.preview.asked import Asked
from noisecli.preview.model import FactsUsed, StepCount, TablePreview
from noisecli.preview.telling import Told, scattering, tell
from noisecli.run import Outcome, Prepared, augment, inspect, prepare
from noisecli.run.dataset import Dataset, discover, format_of
from noisecli.run.excerpt import Excerpt, excerpt
from noisecli.run.recorded import to_facts
from noisecli.run.unread import missing_entries

WHOLE_BYTES = 1 << 20
"""An input up to this size is looked at as a whole; over all combinations of a sweep."""

HEAD_BYTES = 256 << 10
"""How much of a larger one is, from its start."""

LEAST_BYTES = 32 << 10
"""How much is looked at in any case, however many combinations there are."""

FACTS_BYTES = 2 << 20
"""From how much of the input facts come."""

PLAIN = {".csv", ".tsv", ".jsonl", ".ndjson"}

FACTS_PLACES = 32
"""From how many places all over the input."""

PACKING = 4
"""How much less that is of files that are no plain text, whose rows take fewer bytes."""


def preview_table(asked: Asked, most: int) -> TablePreview:
    """Find out what a recipe does to the first rows of a table.

    Rows keep their addresses, so they are struck as in the whole run. Large inputs are not read as a whole, unless
    facts shall be exact.

    Args:
        asked: the input and the recipe.
        most: how many rows are shown.

    Raises:
        NoiseError: a fault of the recipe, the arguments or the data.
        OSError: a file that cannot be read.
    """
    recipe = asked.checked
    dataset = discover(asked.source, recipe.target, recipe.head.purpose, prepare.reading(recipe))
    with TemporaryDirectory(prefix="noisecli-") as space:
        folder = Path(space)
        made = _excerpt(dataset, folder / "all", WHOLE_BYTES // len(recipe.variants), 1)
        prepared = None
        if not made.whole:
            prepared = _survey(asked, dataset, folder)
            made = _excerpt(dataset, folder / "start", HEAD_BYTES // len(recipe.variants), 1, files=1)
        facts = None if prepared is None else _pin(prepared, exact=asked.exact)
        with _about(asked.source, made):
            outcome = _run(asked, made, folder / "copy", facts)
        told = tell(recipe, made.root, outcome, most, folder)
        return _put_together(asked, dataset, prepared, made, outcome, told)


def _excerpt(dataset: Dataset, folder: Path, size: int, places: int, files: int | None = None) -> Excerpt:
    folder.mkdir()
    size = max(size, LEAST_BYTES)
    if format_of(dataset.struck[0].path) not in PLAIN:
        size //= PACKING
    return excerpt(dataset, folder, size, places) if files is None else excerpt(dataset, folder, size, places, files)


def _survey(asked: Asked, dataset: Dataset, folder: Path) -> Prepared:
    """Find the facts, of the whole input or of an excerpt from all over it."""
    source, workers, progress = asked.source, None, asked.progress
    made = None
    if not asked.exact:
        made = _excerpt(dataset, folder / "facts", FACTS_BYTES, FACTS_PLACES)
        source, workers, progress = made.root, 1, None
    with _about(asked.source, made):
        return inspect(
            source,
            asked.recipe,
            overrides=asked.settled,
            severity=asked.severity,
            allow_code=asked.allow_code,
            workers=workers,
            progress=progress,
        )


def _pin(prepared: Prepared, exact: bool) -> Facts:
    """Return the facts that were found; the rows looked at may hold what an excerpt did not show."""
    facts = to_facts(prepared.plans)
    if exact:
        return facts
    columns = {name: found.model_copy(update={"clean_text": False}) for name, found in facts.columns.items()}
    return facts.model_copy(update={"columns": columns})


def _run(asked: Asked, made: Excerpt, folder: Path, facts: Facts | None) -> Outcome:
    folder.mkdir()
    single = made.root.is_file() and not asked.checked.sweep
    return augment(
        made.root,
        asked.recipe,
        folder / (made.root.name if single else "out"),
        overrides=asked.settled,
        severity=asked.severity,
        truth=True,
        facts=facts,
        allow_code=asked.allow_code,
    )


@contextmanager
def _about(source: Path, made: Excerpt | None) -> Iterator[None]:
    """Let faults speak of the input, not of an excerpt."""
    try:
        yield
    except DataProblem as error:
        if made is None:
            raise
        text = str(error).replace(str(made.root), str(source))
        counted = "" if made.whole else " (rows are counted in an excerpt; --exact reads all)"
        raise DataProblem(text + (counted if "row" in text else "")) from None
    except NoiseError as error:
        if made is None:
            raise
        hint = "" if made.whole else "\n  seen in an excerpt of the input; --exact reads all of it"
        raise type(error)(str(error).replace(str(made.root), str(source)) + hint) from None


def _put_together(
    asked: Asked, dataset: Dataset, prepared: Prepared | None, made: Excerpt, outcome: Outcome, told: Told
) -> TablePreview:
    recipe, manifest = asked.checked, outcome.manifest
    facts = _facts_used(asked, dataset, prepared, told)
    return TablePreview(
        seed=recipe.seed,
        seed_drawn=asked.seed_drawn,
        facts=facts,
        files=told.files,
        looked_at=told.looked_at,
        whole=made.whole,
        combinations=tuple(variant.folder for variant in recipe.variants if variant.folder),
        shown=told.shown,
        context=told.context,
        rows=told.rows,
        changed_rows=told.changed_rows,
        lines=told.lines,
        added=told.added,
        counts=tuple(_counts(outcome)),
        notes=list(_notes(asked, outcome, facts, told, made.whole)),
        warnings=list(dict.fromkeys([*missing_entries(dataset), *_warnings(prepared, manifest.warnings)])),
    )


def _warnings(prepared: Prepared | None, of_run: Sequence[str]) -> list[str]:
    """Warnings of the whole input, then those that may only hold for the rows looked at."""
    if prepared is None:
        return list(of_run)
    others = [line for line in of_run if line not in prepared.warnings]
    return [*prepared.warnings, *(f"in the rows looked at: {line}" for line in others)]


def _facts_used(asked: Asked, dataset: Dataset, prepared: Prepared | None, told: Told) -> FactsUsed:
    if asked.checked.head.facts is not None:
        return FactsUsed("pinned", None)
    if prepared is None:
        return FactsUsed("exact", told.looked_at)
    rows = sum(part.rows for table in prepared.tables.values() for part in table.parts)
    about = _about_rows(dataset, prepared, rows)
    return FactsUsed("exact", rows) if asked.exact or about == rows else FactsUsed("approximate", rows, about)


def _about_rows(dataset: Dataset, prepared: Prepared, rows: int) -> int:
    """Guess the rows of the input from those of an excerpt, to two digits; Parquet says them."""
    paths = [file.path for file in dataset.struck]
    if len(paths) == 1 and paths[0].suffix.lower() == ".parquet":
        return int(pq.read_metadata(paths[0]).num_rows)
    share = sum(path.stat().st_size for path in paths) / sum(table.size for table in prepared.tables.values())
    return rows if share == 1 else max(rows + 1, int(float(f"{rows * share:.2g}")))


def _counts(outcome: Outcome) -> Iterator[StepCount]:
    for step in outcome.manifest.steps:
        for column, counts in step.columns.items():
            # Where whole rows were asked for, fields of theirs have no rate of their own.
            rate = None if column and "" in step.columns else (step.rates or {}).get(column, step.rate)
            eligible, struck, changed = (counts[name] for name in ("eligible", "struck", "changed"))
            yield StepCount(step.sweep, step.id, step.op, column, eligible, struck, changed, rate)


def _notes(asked: Asked, outcome: Outcome, facts: FactsUsed, told: Told, whole: bool) -> Iterator[str]:
    """What has to be known to read a preview."""
    steps = [step for step in outcome.manifest.steps if step.sweep == told.shown]
    if told.shown is not None:
        count = len(asked.checked.variants)
        yield f"the rows are those of {told.shown}, which changes most of the {count} combinations of the sweep"
    if facts.kind == "approximate":
        yield (
            "facts are approximate, so augment's new values may differ slightly; which cells are struck differs only "
            "where a step strikes an exact number or goes by values (--exact reads the whole input)"
        )
    unseen = [step for step in told.acted if step not in told.visible]
    if unseen:
        yield f"no row shown has changes of {', '.join(map(repr, unseen))}: --rows shows more"
    if whole:
        return
    for step in steps:
        if step.pairs:
            yield f"step {step.id!r} pairs rows of the whole data: augment will find other partners"
    for name in scattering(asked.checked.steps):
        yield f"step {name!r} moves rows about their whole file, here about the rows looked at"
