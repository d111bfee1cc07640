"""`noisecli diff`: what differs between two datasets. Heavy imports happen inside, so that `--help` is quick."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisecli.cli.app import app
from noisecli.cli.options import Json
from noisecli.errors import CheckFailed

if TYPE_CHECKING:
    from noisecli.compare.diff import Differences, RowDifferences
    from noisecli.compare.verdict import Verdict

MOST_LIES = 20
"""More are in the JSON."""


@app.command()
def diff(
    clean: Annotated[Path, typer.Argument(metavar="CLEAN", help="A table, an image, or a folder.")],
    noisy: Annotated[Path, typer.Argument(metavar="NOISY", help="A copy of it, by noisecli or by anyone else.")],
    key: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column that tells rows apart, where rows have moved.")
    ] = None,
    copy: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Which copy; default: the first noisy one.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--columns", metavar="COLUMN", help="Compare only this one; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="How many differing cells or images are shown.")] = 20,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Leave with 4 if anything differs, else 0.")] = False,
    json: Json = False,
) -> None:
    """Say what really differs, and whether the truth file is true.

    Rows count from 0, without the header. Lies are listed; the exit code is 4.

    Example: noisecli diff sales.csv noisy.csv
    """
    from noisecli.cli import show
    from noisecli.compare.diff import diff
    from noisecli.compare.sides import swapped

    found = diff(clean, noisy, key=key, copy=copy, columns=columns, limit=limit)
    if json:
        show.as_json(_as_data(found))
    elif found.target == "images":
        _images(found, limit)
    elif found.rows is not None:
        _tables(found, found.rows)
    if not json:
        _files(found)
    aside = "not the input that the manifest names, so what that and a truth file say is left aside"
    if found.strange:
        others = f" and {len(found.strange) - 1:,} more" if len(found.strange) > 1 else ""
        show.warn([f"{found.strange[0]}{others}: {aside}"])
    if found.swapped:
        show.warn([swapped(clean, noisy)])
    if found.truth is not None:
        _truth(found.truth, json)
    if exit_code and not found.equal:
        raise typer.Exit(4)


def _as_data(found: "Differences") -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    from dataclasses import asdict

    from noisecli.compare.model import finite

    return {"equal": found.equal, **finite(asdict(found))}


def _tables(found: "Differences", rows: "RowDifferences") -> None:
    from noisecli.cli import show
    from noisecli.cli.marking import visible

    print(f"rows      {rows.clean:,} clean, {rows.noisy:,} noisy", end="")
    if found.unaligned:
        print(f"\n          not all compared: {visible(found.unaligned)}")
    else:
        print(f"; {rows.added:,} added, {rows.removed:,} removed, {rows.moved:,} moved (by {visible(found.aligned)})")
    if rows.misfits:
        print(f"          {rows.misfits:,} rows do not fit their header: all their cells count as missing")
    differing = [column for column in found.columns if column.differing]
    total = sum(column.differing for column in differing)
    cells = sum(column.compared for column in found.columns)
    differ = f"{total:,} of {cells:,} differ, in {len(differing)} of {len(found.columns)} columns"
    print(f"cells     {differ if cells else 'none compared'}")
    if differing:
        names = ["column", "compared", "differ", "share", "now missing", "no longer", "only respelt"]
        lines = [
            [
                c.name,
                *(f"{n:,}" for n in (c.compared, c.differing)),
                f"{c.differing / c.compared:.4f}",
                *(f"{n:,}" for n in (c.now_missing, c.no_longer_missing, c.respelt)),
            ]
            for c in differing
        ]
        print()
        show.table("", names, lines, right=1)
    if found.cells:
        several = found.compared > 1
        shown = [
            [
                *([c.file] if several else []),
                f"{c.row:,}",
                c.column,
                _cell(c.before),
                "->",
                _cell(c.after),
            ]
            for c in found.cells
        ]
        more = f" (the first {len(shown)}; --limit shows more)" if total > len(shown) else ""
        names = [*(["file"] if several else []), "row", "column", "before", "", "after"]
        print(f"\nCells that differ{more}")
        show.table("", names, shown)
    for why in dict.fromkeys(found.unread.values()):
        names = [visible(name) for name, reason in found.unread.items() if reason == why]
        print(f"columns   not compared, {visible(why)}: {', '.join(names)}")
    for name in found.only_bytes:
        other = "no cell differs, but quotes, spelling of missing cells, line ends or metadata do"
        print(f"bytes     {visible(name)}: {other}")


def _images(found: "Differences", limit: int) -> None:
    from noisecli.cli import show

    counts = Counter(image.how for image in found.images)
    print(f"images    {found.compared:,} compared: {counts['pixels']:,} differ in their pixels, ", end="")
    print(f"{counts['size']:,} in size or kind, {counts['metadata']:,} only in metadata or compression")
    if counts["unreadable"]:
        print(f"          {counts['unreadable']:,} cannot be read: steps damaged their files, as the manifest says")
    if counts["class"] or counts["clone"]:
        print(f"          {counts['class']:,} have another class, {counts['clone']:,} are clones, as the manifest says")
    if found.images and limit:
        shown = [
            [
                image.path,
                " -> ".join(image.sizes or image.classes or [image.how]),
                "" if image.psnr is None else f"{image.psnr:.2f}",
                "" if image.ssim is None else f"{image.ssim:.4f}",
            ]
            for image in found.images[:limit]
        ]
        more = f" (the first {limit}; --limit shows more)" if len(found.images) > limit else ""
        print(f"\nImages that differ{more}")
        show.table("", ["image", "in", "PSNR dB", "SSIM"], shown, right=2)


def _files(found: "Differences") -> None:
    from noisecli.cli.marking import visible

    for what, names in (("missing", found.missing), ("added", found.added), ("differs", found.others)):
        for name in names[:MOST_LIES]:
            print(f"{what:<10}{visible(name)}")
        if len(names) > MOST_LIES:
            print(f"{what:<10}and {len(names) - MOST_LIES:,} more")
    if found.equal:
        print("equal     nothing differs")


def _truth(verdict: "Verdict", json: bool) -> None:
    """Say whether the truth file tells the truth.

    Raises:
        CheckFailed: it does not.
    """
    from noisecli.cli.marking import visible

    if verdict.count:
        lines = [f"the truth file is wrong: {verdict.count:,} {'lie' if verdict.count == 1 else 'lies'}"]
        lines += [f"  {lie}" for lie in verdict.lies[:MOST_LIES]]
        if verdict.count > MOST_LIES:
            lines.append(f"  and {verdict.count - MOST_LIES:,} more; --json tells {len(verdict.lies):,}")
        raise CheckFailed("\n".join(lines))
    if not json:
        for note in verdict.notes:
            print(f"truth     {visible(note)}")
        if verdict.unchecked:
            print(f"truth     {verdict.unchecked:,} lines about the text of the finished file were not checked")
        if not verdict.notes:
            checked = verdict.lines - verdict.unchecked
            print(f"truth     {checked:,} lines: all of them hold, and no difference is left out")


def _cell(text: str | None) -> str:
    return "(missing)" if text is None else repr(text if len(text) <= 200 else text[:199] + "…")
