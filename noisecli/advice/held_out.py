"""Held-out data that would be struck, or training data under `purpose: evaluate`."""

import re
from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath

import pyarrow as pa

from noisecli.advice.case import Advice, Case
from noisecli.columns import TEXT
from noisecli.formats.plain import COMPRESSED
from noisecli.plan import TRAINING
from noisecli.run.dataset import HELD_OUT

SPLIT_NAMES = re.compile(r"(.*[_\W])?(split|fold|set|subset|partition|phase|stage|usage)([_\W].*)?", re.IGNORECASE)
"""How columns are called that say which split a row belongs to."""

SAID = HELD_OUT | {"testing", "eval", "evaluation", "held-out", "held_out", "heldout", "tst"}
"""What stands for held-out data in such columns, and in names of folders and files."""

LOOKS_HELD_OUT = re.compile(
    r"([xy]_)?(val|valid|validation|dev|test|testing|eval|evaluation|hold-?_?out|held-?_?out|tst)"
    r"([-_ ]?(set|split|data|images|imgs|labels|features|\d{1,4}))*",
    re.IGNORECASE,
)
"""Names that mean held-out data to people; of these noisecli itself knows those in HELD_OUT."""


def unnamed_split(case: Case) -> Iterator[Advice]:
    """A column that says train and test, in a recipe that does not name it."""
    head = case.recipe.head
    if head.purpose != "train" or head.data.split is not None or case.prepared.survey is None:
        return
    for name in filter(SPLIT_NAMES.fullmatch, case.prepared.survey.columns):
        minded = all(step.where is not None and name in step.where.columns for _, step in case.steps)
        held_out = [] if minded else _held_out_values(case, name)
        if held_out:
            text = (
                f"it calls some rows {held_out[0]!r}, and they will be struck like training rows, as no split is named"
            )
            yield Advice("split", f"{text}: add `data: {{split: {name}}}`", columns=(name,))


def _held_out_values(case: Case, name: str) -> list[str]:
    """Values of a column that mean held-out data, if others mean training data."""
    column = case.column(name)
    if column is None or column.kind not in TEXT:
        return []
    values = [str(value) for value in column.categories or ()]
    told = {value.strip().lower() for value in values}
    return [value for value in values if value.strip().lower() in SAID] if told & TRAINING else []


def unnamed_folder(case: Case) -> Iterator[Advice]:
    """Files that are struck although their names say that they are held out."""
    if case.recipe.head.purpose != "train":
        return
    root = case.prepared.dataset.root.resolve()
    if LOOKS_HELD_OUT.fullmatch(_stem(root)):
        text = f"{root.name!r} looks like held-out data, and will be struck like training data"
        yield Advice("split", f"{text}: say `purpose: evaluate` if that is what it is")
    held_out = [part for file in case.prepared.dataset.struck if (part := _held_out_part(file.relative))]
    if held_out and len(held_out) < len(case.prepared.dataset.struck):
        name = held_out[0]
        files = f"{len(held_out)} {'file' if len(held_out) == 1 else 'files'}"
        text = f"{name!r} looks like held-out data, and {files} there will be struck like training data"
        yield Advice("split", f"{text}: call it val or test, or give the training data alone as INPUT")


def _held_out_part(relative: str) -> str:
    """Return the part of a path that says held out; "" where none does."""
    path = PurePosixPath(relative)
    return next((part for part in (*path.parts[:-1], _stem(path)) if LOOKS_HELD_OUT.fullmatch(part)), "")


def _stem(path: PurePath) -> str:
    """Return a name without its extensions: `a` of `a.csv.gz`."""
    return (path.with_suffix("") if path.suffix.lower() in COMPRESSED else path).stem


def strikes_held_out_only(case: Case) -> Iterator[Advice]:
    """Conditions that only held-out rows meet, which are never struck."""
    split = case.plan.split
    column = None if split is None else case.column(split)
    if split is None or column is None or column.categories is None:
        return
    training = pa.array(column.categories, column.storage)
    for _, step in case.steps:
        tests = [test for test in step.where.tests if test.column == split] if step.where else []
        if any(not test.mask(training, column).any() for test in tests):
            text = "its `where` asks for held-out rows, which `purpose: train` never strikes"
            yield Advice("where", f"{text}: take that out, or say `purpose: evaluate`", step.id, (split,))


def evaluates_training_data(case: Case) -> Iterator[Advice]:
    """Training data struck under `purpose: evaluate`."""
    head, dataset = case.recipe.head, case.prepared.dataset
    if head.purpose != "evaluate":
        return
    text = "training data will be struck too, since `purpose: evaluate` strikes all that it is given"
    split = head.data.split
    column = None if split is None else case.column(split)
    if column is not None and not TRAINING.isdisjoint(str(v).strip().lower() for v in column.categories or ()):
        yield Advice("purpose", f"{text}: give the test rows alone as INPUT", columns=(column.name,))
    folders = {part for file in dataset.struck for part in PurePosixPath(file.relative).parts[:-1]}
    name = next((name for name in sorted({*folders, dataset.root.stem}) if name.lower() in TRAINING), None)
    if name is not None:
        yield Advice("purpose", f"{name!r}: {text}: give the test data alone as INPUT")
