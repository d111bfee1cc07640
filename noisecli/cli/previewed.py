"""Previews of tables on stdout: as a table where the terminal is wide enough, else as a list."""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from noisecli.cli import show
from noisecli.cli.marking import AFTER, ASIDE, BEFORE, marked, plain, visible
from noisecli.preview.model import ImagesPreview, PreviewRow, RawLine, StepCount, TablePreview

FORMS = ((40, 5), (28, 4), (24, 2), (18, 1))
"""Room for each side of a change, and how many columns go along, that are tried until a table fits."""

WIDEST = 100_000
"""Columns of a terminal in which everything fits."""

MOST_STEPS = 30
"""Columns that the steps of a change take in a list."""

MOST_COUNTS = 24
"""Lines of counts, beyond which the columns of a step are counted together."""

MOST_CHANGES = 24
"""Cells of a row that a list shows; of a wide table all of them would bury the rows."""

MOST_NAME = 24
"""Columns that the name of a column takes in a list."""


def show_table(found: TablePreview, source: Path, json_: bool) -> None:
    """Show what a recipe does to some rows."""
    if json_:
        show.as_json({"target": "table", "input": str(source), **asdict(found)})
        return
    console = _console()
    for key, text in _about(found, source):
        console.print(Text.assemble((f"{key:<8}", "bold"), text))
    console.print()
    if found.rows:
        count = f"{len({(row.file, row.row) for row in found.rows}):,}"
        them = (
            "rows, all of which get new columns" if found.added else f"of the {found.changed_rows:,} rows that change"
        )
        console.print(Text(f"{count} {them}, numbered from 0", "bold"))
        table = _as_table(found, console)
        for part in [table] if table is not None else _as_list(found, console.width):
            console.print(part)
    else:
        console.print("No row changes.")
    if found.lines:
        console.print(Text("\nLines of the file, as they are written", "bold"))
        for part in _raw(found.lines, console.width):
            console.print(part, no_wrap=True, overflow="ellipsis")
    console.print(Text("\nOf the rows looked at", "bold"))
    console.print(_counts(found.counts))
    _print_notes(found.notes, console)
    show.warn(found.warnings)


def show_images(found: ImagesPreview, source: Path, json_: bool) -> None:
    """Say where the contact sheet is, and what each image on it got."""
    if json_:
        show.as_json({"target": "images", "input": str(source), **asdict(found)})
        return
    console = _console()
    count = _counted(found.looked_at, "image", found.whole)
    about = {"sheet": found.sheet, "input": f"{source}: {count}", "seed": _seed(found)}
    if found.shown and found.images:
        about["drawn"] = f"below for {found.shown}, the last of {len(found.combinations)} combinations"
    for key, said in about.items():
        console.print(Text.assemble((f"{key:<8}", "bold"), visible(said)))
    for image in found.images:
        name = source.name if image.path == "." else image.path
        console.print(Text.assemble("\n", (visible(name), "bold"), (f"  {image.size[0]} x {image.size[1]} px", ASIDE)))
        for on in image.steps:
            drawn = ", ".join(f"{key} {_brief(value)}" for key, value in (on.drawn or {}).items() if value is not None)
            text = f"  {on.step}  {drawn if on.struck else 'not struck'}"
            console.print(Text(visible(text), "" if on.struck else ASIDE))
    console.print(Text("\nOf the images looked at", "bold"))
    settled = [count for count in found.counts if count.rate in (0, 1)]
    left_out = len(settled) if len(found.counts) > MOST_COUNTS else 0
    if len(found.counts) > left_out:
        console.print(_counts([count for count in found.counts if not left_out or count not in settled]))
    if left_out:
        console.print(f"{left_out} steps of combinations have the rate 0 or 1: they strike none or all.")
    _print_notes(found.notes, console)


def _counted(count: int, what: str, whole: bool) -> str:
    text = f"{count:,} {what}{'s' if count != 1 else ''}"
    return f"all {text}" if whole and count > 1 else text


def _brief(value: object) -> str:
    text = _rounded(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _rounded(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_rounded, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_rounded(entry)}' for key, entry in value.items())}}}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):  # not all terminals know all letters
        sys.stdout.reconfigure(errors="backslashreplace")
    return show.console()


def _seed(found: TablePreview | ImagesPreview) -> str:
    return f"{found.seed}" + (f" (drawn: `augment --seed {found.seed}` strikes the same)" if found.seed_drawn else "")


def _print_notes(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.print(Text(f"\nnote: {visible(note)}", ASIDE), end="")
    console.print()


def _about(found: TablePreview, source: Path) -> Iterator[tuple[str, str]]:
    name = found.files[0] if len(found.files) == 1 else f"{source}, {len(found.files)} files"
    about = found.facts.of_about
    rows = ("" if found.whole else "the first ") + _counted(found.looked_at, "row", found.whole)
    facts = found.facts
    of = f" of about {about:,}" if about else f" of {facts.rows:,}" if facts.rows and not found.whole else ""
    yield "input", f"{visible(name)}: {rows}{of}"
    told = {
        "exact": "exact",
        "approximate": f"approximate: from {facts.rows:,} rows of about {about:,}" if about else "",
        "pinned": "those of the manifest that the recipe names",
    }
    yield "facts", told[facts.kind]
    yield "seed", _seed(found)


def _as_table(found: TablePreview, console: Console) -> Table | None:
    """Rows as a table with the columns that change; None where it is too wide."""
    steps: dict[str, dict[str, None]] = {}
    for change in (change for row in found.rows for change in row.changes):
        steps.setdefault(change.column, {})[change.step] = None
    present = [name for row in found.rows for name in row.cells]
    changing = [name for name in dict.fromkeys(present) if name in steps]
    for room, most in FORMS:
        along = [name for name in found.context if name not in steps][:most]
        shape = _table(found, along, {name: list(steps[name]) for name in changing}, room)
        if Measurement.get(console, console.options.update(width=WIDEST), shape).maximum <= console.width:
            return shape
    return None


def _table(found: TablePreview, along: Sequence[str], changing: Mapping[str, Sequence[str]], room: int) -> Table:
    shape = Table(box=None, pad_edge=False, header_style="")
    several, fates = len(found.files) > 1, any(row.fate for row in found.rows)
    for key in [*(["file"] if several else []), "row"]:
        shape.add_column(Text(key, ASIDE), justify="right", no_wrap=True)
    for name in along:
        shape.add_column(Text(visible(name), ASIDE), no_wrap=True)
    for name, steps in changing.items():
        title = Text.assemble((visible(name), "bold"), ("".join(f"\n{step}" for step in steps), ASIDE))
        shape.add_column(title, no_wrap=True)
    for name in found.added:
        shape.add_column(Text(f"{visible(name)}\n(added)", "bold"), no_wrap=True)
    if fates:
        shape.add_column("", no_wrap=True)
    for row in found.rows:
        texts = [Text(visible(row.file))] if several else []
        texts += [Text(str(row.row)), *(plain(row.cells.get(name), room, ASIDE) for name in along)]
        texts += [_cell(row, name, room) for name in changing]
        texts += [_added(row, name, room) for name in found.added]
        shape.add_row(*texts, *([_fate(row)] if fates else []))
    return shape


def _cell(row: PreviewRow, column: str, room: int) -> Text:
    """One cell of a row: what steps made of it, or what it is. A row that is left out only has what it was."""
    mine = [change for change in row.changes if change.column == column]
    if column not in _changed(row):
        return plain(mine[-1].after if mine else row.cells.get(column), room, ASIDE)
    before, after = marked(mine[0].before, mine[-1].after, room)
    return Text.assemble(before, (" -> ", ASIDE), after)


def _added(row: PreviewRow, column: str, room: int) -> Text:
    return Text("") if row.added is None else plain(row.added[column], room, AFTER)


def _fate(row: PreviewRow) -> Text:
    by = f" by {row.by}" if row.by else ""
    if row.fate == "left out":
        return Text(f"left out{by}", BEFORE)
    return Text(f"{row.fate}{by}, row {row.output_row} of the copy", AFTER) if row.fate else Text("")


def _as_list(found: TablePreview, width: int) -> Iterator[Text]:
    """Rows one below the other, each with a line for every cell that changed."""
    changed = {change.column for row in found.rows for change in row.changes}
    names = min(MOST_NAME, max((len(visible(name)) for name in (*changed, *found.added)), default=0))
    steps = min(MOST_STEPS, max((len(_steps(row, name)) for row in found.rows for name in changed), default=0))
    room = max(10, (width - names - steps - 14) // 2)
    cells = [{name: _cell(row, name, room) for name in _changed(row)[:MOST_CHANGES]} for row in found.rows]
    widest = max((text.cell_len for texts in cells for text in texts.values()), default=0)
    for row, texts in zip(found.rows, cells, strict=True):
        yield _title(row, found, width)
        for name, text in texts.items():
            text.pad_right(widest - text.cell_len)
            line = Text.assemble("  ", _fit(visible(name), names), "  ", text)
            yield line.append(f"  {_fit(_steps(row, name), steps)}".rstrip(), ASIDE)
        if len(_changed(row)) > MOST_CHANGES:
            yield Text(f"  and {len(_changed(row)) - MOST_CHANGES:,} more cells; --json tells of all", ASIDE)
        for name, value in (row.added or {}).items():
            yield Text.assemble("  ", _fit(visible(name), names), "  ", plain(value, room, AFTER), ("  (added)", ASIDE))


def _title(row: PreviewRow, found: TablePreview, width: int) -> Text:
    """Which row it is, what becomes of it as a whole, and some cells that did not change."""
    where = f"{visible(row.file)} row {row.row}" if len(found.files) > 1 else f"row {row.row}"
    title = Text.assemble((where, "bold"), "  " if row.fate else "", _fate(row))
    for name in [name for name in found.context if name not in _changed(row)]:
        more = Text.assemble(("  " + visible(name) + " ", ASIDE), plain(row.cells.get(name), MOST_NAME, ASIDE))
        if title.cell_len + more.cell_len <= width:
            title.append_text(more)
    return title


def _changed(row: PreviewRow) -> list[str]:
    """Columns whose cells changed; of a clone below its row those in which it is not like that."""
    mine = {change.column for change in row.changes if not row.repeats or change.step == row.by}
    return [name for name in row.cells if name in mine]


def _fit(name: str, width: int) -> str:
    return name.ljust(width) if len(name) <= width else name[: width - 1] + "…"


def _steps(row: PreviewRow, column: str) -> str:
    return ", ".join(dict.fromkeys(change.step for change in row.changes if change.column == column))


def _raw(lines: Sequence[RawLine], width: int) -> Iterator[Text]:
    """What became of lines of the file, one below the other."""
    for line in lines:
        where = "the file" if line.output_row is None else f"row {line.output_row} of the copy"
        if line.column is not None:
            before, after = marked(line.before, line.after, 30, quote=False)
            about = f"  {where}, {visible(line.column)}  "
            yield Text.assemble(line.step, (about, ASIDE), before, (" -> ", ASIDE), after)
            continue
        yield Text.assemble(line.step, (f"  {where}", ASIDE))
        sides = marked(line.before, line.after, width - 8, quote=False)
        yield from (Text.assemble(sign, side) for sign, side in zip(("  - ", "  + "), sides, strict=True))


def _counts(counts: Sequence[StepCount]) -> Table:
    """What each step did to each column of the rows looked at, or to all of its columns where there are many."""
    shape = Table(box=None, pad_edge=False, header_style="bold")
    swept, whole = any(count.sweep for count in counts), not any(count.column for count in counts)
    tried = any(count.changed is not None for count in counts)
    for name in (*(["sweep"] if swept else []), "step", *([] if whole else ["column"])):
        shape.add_column(name, overflow="fold")
    for name in ("eligible", "struck", *(["changed"] if tried else []), "asked", "got"):
        shape.add_column(name, justify="right", no_wrap=True)
    for count in counts if len(counts) <= MOST_COUNTS else _together(counts):
        step = count.step if count.step == count.op else f"{count.step} ({count.op})"
        figures = (count.eligible, count.struck, *([count.changed] if tried else []))
        numbers = ["-" if n is None else f"{n:,}" for n in figures]
        asked = "-" if count.rate is None else f"{count.rate:g}"
        got = f"{count.struck / count.eligible:.4f}" if count.eligible else "-"
        names = [*([count.sweep or ""] if swept else []), step, *([] if whole else [visible(count.column)])]
        texts = [*names, *numbers, asked, got]
        shape.add_row(*map(Text, texts), style="" if count.struck else ASIDE)
    return shape


def _together(counts: Sequence[StepCount]) -> Iterator[StepCount]:
    """One count for all columns of a step; rows that it strikes as a whole stay apart from their cells."""
    for _, group in groupby(counts, lambda count: (count.sweep, count.step, count.column == "")):
        mine = list(group)
        eligible, struck = sum(count.eligible for count in mine), sum(count.struck for count in mine)
        changed = [count.changed for count in mine if count.changed is not None]
        columns = mine[0].column if len(mine) == 1 else f"{len(mine)} columns"
        rate = mine[0].rate if len({count.rate for count in mine}) == 1 else None
        total = sum(changed) if changed else None
        yield replace(mine[0], column=columns, eligible=eligible, struck=struck, changed=total, rate=rate)
