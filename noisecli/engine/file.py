"""Damage the finished CSV file of one copy, some rows at a time. Rows go by their place in that file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.celltext import to_mask
from noisecli.corruption import RecordCorruption, Records, Sheet, SheetCorruption, SpellingCorruption
from noisecli.corruption.file import BYTES
from noisecli.engine.choose import chosen_cells
from noisecli.engine.counts import Counts, Tally
from noisecli.engine.slab import Index, Slab, blocks, strikeable
from noisecli.mechanism import strike_cells
from noisecli.plan import Plan, StepPlan
from noisecli.splice import string_buffers
from noisecli.streams import BLOCK, CounterDraws, Mask, Stream, Words, raw_words, scramble


@dataclass(frozen=True)
class FileChange:
    """What one step did to some rows of a file, to cells of a column or to the file: only what it really changed."""

    step: int
    """Number of the step in the plan."""
    column: str | None
    """None where it is about whole rows, or the file."""
    rows: Index | None
    """Rows of the file, ascending; None: it is about the file."""
    before: pa.Array
    """As written."""
    after: pa.Array


@dataclass
class Run:
    """Some consecutive rows on their way through the steps."""

    first_row: int
    clean: Records
    now: Records
    allowed: Mask
    """Which of them may be struck."""


Act = Callable[[Run], None]


class FileEngine:
    """Damages the finished file of one copy; what it did adds up in `tally`."""

    def __init__(self, plan: Plan, copy: int, path: str) -> None:
        self._plan = plan
        self._copy = copy
        self._path = path
        self.tally: Tally = {}
        self.rows = 0
        """How many rows are left."""
        self.changes: list[FileChange] = []
        """What was changed since the list was last emptied."""

    def __call__(self, clean: Sheet, slabs: Iterable[tuple[Slab, Records]]) -> Iterator[pa.Buffer | bytes]:
        """Yield the bytes of the file. A slab has the cells of the split column, if that matters, and no others."""
        sheet, acts = clean, []
        for number, step in self._plan.dirt.items():
            act, sheet = self._prepare(number, step, clean, sheet)
            acts.append(act)
        self.rows = sheet.rows
        yield sheet.mark + sheet.header
        ended = True
        for slab, records in slabs:
            left = np.arange(min(slab.rows, sheet.rows - slab.first_row))  # what will be cut off is nobody's
            if len(left) == 0:
                continue
            records = records if len(left) == slab.rows else records.take(left)
            run = Run(slab.first_row, records, records, strikeable(slab, self._plan.split)[left])
            for act in acts:
                act(run)
            data, _ = string_buffers(run.now.written())
            ended = data.slice(max(0, data.size - 1)).to_pybytes() in (b"\n", b"\r")
            yield data
        if sheet.footer:
            yield sheet.footer if ended else sheet.line_end + sheet.footer

    def _prepare(self, number: int, step: StepPlan, clean: Sheet, sheet: Sheet) -> tuple[Act, Sheet]:
        """Return what a step does to rows, and what it makes of the rest of the file."""
        op = step.corruption
        for name in step.columns if isinstance(op, SpellingCorruption) else ("",):
            self._count(step, name)  # there may be no rows
        if isinstance(op, SheetCorruption):
            return self._strike_sheet(number, step, op, sheet)
        if isinstance(op, RecordCorruption):
            return (lambda run: self._strike_rows(number, step, op, clean, sheet, run)), sheet
        assert isinstance(op, SpellingCorruption)
        return (lambda run: self._strike_cells(number, step, op, clean, sheet, run)), sheet

    def _strike_sheet(self, number: int, step: StepPlan, op: SheetCorruption, sheet: Sheet) -> tuple[Act, Sheet]:
        counts, able = self._count(step, ""), op.able(sheet)
        counts.eligible += able
        if not able or not strike_cells(self._stream(step), "", 0, step.rate)[0]:
            return (lambda run: None), sheet
        keys = raw_words(self._stream(step).generator("value", "", 0), 1)
        draws = CounterDraws(scramble(keys, np.arange(len(sheet.columns))))
        damage = op.damage(sheet, [sheet.columns.index(name) for name in step.columns], draws)
        order, cut = damage.order, damage.cut
        new = damage.sheet if order is None else damage.sheet.arranged(order)
        counts.struck += 1
        counts.changed += 1

        def act(run: Run) -> None:
            if order is not None:
                run.now = run.now.arranged(order, sheet.delimiter)
            if cut is not None and cut[0] == run.first_row + len(run.now) - 1:
                self._cut(number, run, cut[1])

        if cut is None:
            before, after = (pa.array([text], BYTES) for text in _told(sheet, new))
            self.changes.append(FileChange(number, None, None, before, after))
        return act, new

    def _cut(self, number: int, run: Run, share: float) -> None:
        """Leave a share of the last row, which ends between two characters."""
        last = np.array([len(run.now) - 1])
        row = replace(old := run.now.take(last), above=old.repeated(b""))
        line = row.written()
        text = line[0].as_py().rstrip(b"\r\n")
        characters = [i for i in range(1, len(text)) if text[i] & 0xC0 != 0x80]
        stop = characters[int(share * len(characters))] if characters else 0
        rest = pa.array([text[:stop]], BYTES)
        run.now = run.now.put(last, old, old.as_wholes(rest))
        self.changes.append(FileChange(number, None, last + run.first_row, line, rest))

    def _strike_rows(
        self, number: int, step: StepPlan, op: RecordCorruption, clean: Sheet, sheet: Sheet, run: Run
    ) -> None:
        struck = self._struck(step, "", op.able(run.clean, clean), run)
        old = run.now.take(struck)
        alive = op.able(old, sheet)
        self._count(step, "").void += int(np.count_nonzero(~alive))
        struck, old = struck[alive], old.take(np.flatnonzero(alive))
        new = op.corrupt(old, sheet, CounterDraws(self._keys(step, run)[struck]))
        run.now = run.now.put(struck, old, new)
        self._note(number, step, "", struck + run.first_row, old.written(), new.written())

    def _strike_cells(
        self, number: int, step: StepPlan, op: SpellingCorruption, clean: Sheet, sheet: Sheet, run: Run
    ) -> None:
        for name in step.columns:
            struck = self._struck(step, name, op.able(run.clean.cells[clean.columns.index(name)]), run)
            column = sheet.columns.index(name)
            old = run.now.cells[column].take(pa.array(struck))
            alive = op.able(old)
            self._count(step, name).void += int(np.count_nonzero(~alive))
            struck, old = struck[alive], old.filter(pa.array(alive))
            new, taken = op.corrupt(old, sheet), run.now.take(struck)
            run.now = run.now.put(struck, taken, taken.with_cell(column, new))
            self._note(number, step, name, struck + run.first_row, old, new)

    def _struck(self, step: StepPlan, column: str, able: Mask, run: Run) -> Index:
        """Choose among the rows of a run, or among their cells in a column."""
        rows = len(run.now)
        eligible, nothing = able & run.allowed, Slab(run.first_row, rows, {})
        stream = self._stream(step)
        chosen = [
            chosen_cells(self._plan, stream, step, column, block, nothing) for block in blocks(run.first_row, rows)
        ]
        struck = np.flatnonzero(np.concatenate([np.zeros(0, bool), *chosen]) & eligible)
        counts = self._count(step, column)
        counts.eligible += int(np.count_nonzero(eligible))
        counts.struck += len(struck)
        return struck

    def _note(self, number: int, step: StepPlan, column: str, rows: Index, before: pa.Array, after: pa.Array) -> None:
        changed = to_mask(pc.not_equal(before, after))
        self._count(step, column).changed += int(np.count_nonzero(changed))
        if changed.any():
            where = pa.array(changed)
            change = FileChange(number, column or None, rows[changed], before.filter(where), after.filter(where))
            self.changes.append(change)

    def _keys(self, step: StepPlan, run: Run) -> Words:
        """A word for each row of a run."""
        stream = self._stream(step)
        words = [
            raw_words(stream.generator("value", "", block.number), BLOCK)[block.slots]
            for block in blocks(run.first_row, len(run.now))
        ]
        return np.concatenate([np.zeros(0, np.uint64), *words])

    def _stream(self, step: StepPlan) -> Stream:
        return Stream(self._plan.seed, self._copy, step.id, self._path)

    def _count(self, step: StepPlan, column: str) -> Counts:
        return self.tally.setdefault((step.id, column), Counts())


def _told(old: Sheet, new: Sheet) -> tuple[bytes, bytes]:
    """What of a file changed, before and after: its head, its footer, or the order of columns that have no titles."""
    if (old.mark, old.header) != (new.mark, new.header):
        return old.mark + old.header, new.mark + new.header
    if old.footer != new.footer:
        return old.footer, new.footer
    return old.delimiter.join(map(str.encode, old.columns)), new.delimiter.join(map(str.encode, new.columns))
