"""Copies of one row that may stand on both sides of a split."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from noisecli.advice.case import Advice, Case
from noisecli.columns import Kind, kind_of, to_text
from noisecli.corruption import JointCorruption
from noisecli.engine import Slab, strikeable

MOST_ROWS = 100_000
"""So many rows of a table are compared."""
LEAST_COLUMNS = 3
"""In fewer columns rows agree by chance."""


def _is_split(case: Case) -> bool:
    """Whether it is known what is training data, or nothing is trained."""
    head, dataset = case.recipe.head, case.prepared.dataset
    carried = any(file.carried for file in dataset.files)
    return head.purpose != "train" or head.data.split is not None or carried or head.data.source_row


def clones(case: Case) -> Iterator[Advice]:
    """Steps that make several rows of one."""
    trial = case.trial
    if trial is None or _is_split(case):
        return
    repeated = trial.run().repeated()
    makers = [step.id for _, step in case.steps if repeated and trial.run(step.id).repeated() < repeated]
    if makers:
        text = (
            "it makes several rows of one, and a split made later puts some on both sides: split first (`data: {split: "
            "COLUMN}`), or say `data: {source_row: true}` and split by groups of `_source_row`"
        )
        yield Advice("copies", text, makers[0])


def merged_copies(case: Case) -> Iterator[Advice]:
    """Several copies in one tree."""
    head = case.recipe.head
    if head.layout == "merged" and len(head.written) > 1 and not _is_split(case):
        if case.recipe.target == "images":
            how = "split first, or by the name before `__c`"
        else:
            how = "split first, or say `data: {source_row: true}` and split by groups of file and `_source_row`"
        what = (
            "with `layout: merged` copies of one item stand in one tree, and a split made later puts some on both sides"
        )
        yield Advice("copies", f"{what}: {how}")


def mixed_rows(case: Case) -> Iterator[Advice]:
    """Steps that mix rows before they are split."""
    for _, step in case.steps:
        if isinstance(step.corruption, JointCorruption) and step.corruption.pairs and not _is_split(case):
            text = (
                "it takes values from other rows of all the data, and a split made later lets test rows into training"
            )
            yield Advice("pairs", f"{text}: split first, and name the split (`data: {{split: COLUMN}}`)", step.id)


def same_in_both(case: Case) -> Iterator[Advice]:
    """Held-out rows that are copies of training rows already."""
    split, files = case.plan.split, case.prepared.dataset.struck
    if split is None or len(files) != 1:
        return
    table = files[0].table()
    spared = {split, case.recipe.head.data.id}
    fields = table.fields().items()
    names = [name for name, type_ in fields if name not in spared and kind_of(type_) is not Kind.OTHER]
    if len(names) < LEAST_COLUMNS:
        return
    training, held_out, seen = set[bytes](), list[bytes](), 0
    for _, slab in table.scan([*names, split]):
        rows, mask = _digests(slab, names), strikeable(slab, split)
        training |= {row for row, trained in zip(rows, mask, strict=True) if trained}
        held_out += [row for row, trained in zip(rows, mask, strict=True) if not trained]
        seen += slab.rows
        if seen >= MOST_ROWS:
            break
    both = sum(row in training for row in held_out)
    # Where rows of few values repeat anyway, equal ones are no copies.
    if both and 2 * len(training) > seen - len(held_out):
        text = f"{both} of {len(held_out)} held-out rows are the same as a training row in all other columns"
        yield Advice("copies", f"{text}: scores on them tell of memory; remove them from one side", columns=(split,))


def _digests(slab: Slab, names: Sequence[str]) -> list[bytes]:
    texts = [pc.fill_null(to_text(slab.cells[name]).cast(pa.large_string()), "") for name in names]
    rows = pc.binary_join_element_wise(*texts, pa.scalar("\x1f", pa.large_string()))
    return [blake2b(row.encode(), digest_size=16).digest() for row in rows.to_pylist()]
