"""Results on stdout, warnings on stderr. Rich is imported for tables only: it takes 0.02 s."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from noisecli.cli.marking import visible
from noisecli.errors import CheckFailed
from noisecli.manifest import COMPANIONS, Manifest, beside
from noisecli.recipe import Recipe
from noisecli.run import Outcome, Prepared
from noisecli.run.guard import amount

if TYPE_CHECKING:
    from rich.console import Console

    from noisecli.advice import Advice

WIDEST = 10_000
"""More columns of characters than any table has."""


def as_json(data: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(data, indent=2, ensure_ascii=True))


def warn(warnings: Sequence[str]) -> None:
    """Print warnings on stderr."""
    for warning in warnings:
        print(f"warning: {visible(warning)}", file=sys.stderr)


def console() -> "Console":
    """Return a console on stdout that never wraps what scripts read, and writes escape codes to terminals only."""
    from rich.console import Console

    if is_plain(sys.stdout):
        return Console(width=None if sys.stdout.isatty() else 160, color_system=None)
    return Console()


def is_plain(stream: TextIO) -> bool:
    """Whether escape codes have no place there: no terminal, one that knows none, or a user who wants none."""
    return not stream.isatty() or os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: int = 99) -> None:
    """Print a table; columns from `right` on are numbers, and one without any entry is left out.

    Rich takes brackets in a `str` for markup, and terminals obey control characters: cells say what files say.
    """
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    lines = [[Text(visible(cell)) for cell in line] for line in (columns, *rows)]
    entries = list(zip(*lines, strict=True))
    kept = [i for i, cells in enumerate(entries) if not rows or any(map(len, cells[1:]))]
    for i in kept:
        cells = entries[i]
        if i < right:
            shown.add_column(cells[0], overflow="fold")
        else:
            shown.add_column(cells[0], justify="right", width=max(map(len, cells)))
    for row in lines[1:]:
        shown.add_row(*(row[i] for i in kept))
    if title:
        print(title)
    screen = console()
    # A terminal that is too narrow even for the words breaks lines itself; a number in pieces could not be read.
    screen.width = max(screen.width, Measurement.get(screen, screen.options.update(max_width=WIDEST), shown).minimum)
    screen.print(shown)


def outcome(done: Outcome, json_: bool, quiet: bool) -> None:
    """Show what a run made."""
    manifest = done.manifest
    made = {key: suffix for key, suffix in COMPANIONS.items() if getattr(manifest, key)}
    companions = {key: str(beside(done.output, suffix)) for key, suffix in made.items()}
    if json_:
        as_json(
            {
                "output": str(done.output),
                "manifest": str(done.manifest_path),
                **companions,
                "unchanged": done.unchanged,
                "seed": manifest.seed,
                "purpose": manifest.purpose,
                **manifest.model_dump(include={"outputs"}, by_alias=True, exclude_none=True),
                "steps": [step.model_dump() for step in manifest.steps],
                "skipped": manifest.skipped,
                "warnings": manifest.warnings,
            }
        )
    elif not quiet:
        struck = sum(not entry.carried or entry.drawn is not None for entry in manifest.outputs)
        files = f"{len(manifest.outputs)} files, {struck} of them changed"
        print(f"output    {done.output}  ({files if done.output.is_dir() else f'{manifest.outputs[0].bytes} bytes'})")
        if done.unchanged:
            print("unchanged every file stands as it stood before the run")
        if done.resumed:
            print(f"resumed   tasks that the killed run had done: {done.resumed}")
        print(f"manifest  {done.manifest_path}")
        for key, path in companions.items():
            print(f"{key:<10}{path}")
        print(f"seed      {manifest.seed}")
        if manifest.purpose == "evaluate":
            print("purpose   evaluate: held-out data was struck too")
        for entry in manifest.skipped:
            name = done.output.name if entry["path"] == "." else entry["path"]
            print(visible(f"skipped   {name}: {entry['why']}"))
        counts_table(manifest)
    if done.anew:
        warn([f"{done.output}: nothing of the killed run could be used, so this one started anew"])
    warn(manifest.warnings)


def counts_table(manifest: Manifest) -> None:
    """Show what each step did to each column."""
    every = [counts for step in manifest.steps for counts in step.columns.values()]
    names = ["eligible", "struck", "changed", *(n for n in ("clipped", "void") if any(counts[n] for counts in every))]
    rows, in_text = [], any(step.cer for step in manifest.steps)
    for step in manifest.steps:
        for column, counts in step.columns.items():
            rate = f"{counts['struck'] / counts['eligible']:.4f}" if counts["eligible"] else "-"
            # Where whole rows were asked for, fields of theirs have no rate of their own.
            asked = "-" if column and "" in step.columns else f"{(step.rates or {}).get(column, step.rate):g}"
            name = step.id if step.id == step.op else f"{step.id} ({step.op})"
            row = [step.sweep or "", name, column, *(f"{counts[n]:,}" for n in names), asked, rate]
            errors = (step.cer or {}).get(column)
            rows.append([*row, "-" if errors is None else f"{errors:.4f}"] if in_text else row)
    print()
    _swept(["step", "column", *names, "asked", "got", *(["cer"] if in_text else [])], rows, right=2)


def _swept(columns: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> None:
    """Print a table whose rows begin with the variant of a sweep; without one that column is left out."""
    if any(row[0] for row in rows):
        table("", ["sweep", *columns], rows, right + 1)
    else:
        table("", columns, [row[1:] for row in rows], right)


def prepared(found: Prepared, json_: bool, quiet: bool, advice: "Sequence[Advice] | None" = None) -> None:
    """Show what a run would do, and advice if any was asked for."""
    dataset = found.dataset
    steps = [(folder, step) for folder, plan in found.plans.items() for step in plan.steps]
    rows = sum(part.rows for surveyed in found.tables.values() for part in surveyed.parts)
    size = sum(file.path.stat().st_size for file in dataset.files)
    copies = len(found.recipe.head.written) * len(found.plans)
    spill = found.spill()
    if json_:
        described = [
            {
                **({"sweep": folder} if folder else {}),
                "id": s.id,
                "op": s.corruption.name,
                "rate": s.rate,
                "exact": s.exact,
                "columns": list(s.columns),
                **({"outgoing": {name: str(type_) for name, type_ in s.outgoing.items()}} if s.outgoing else {}),
            }
            for folder, s in steps
        ]
        as_json(
            {
                "target": dataset.target,
                "files": len(dataset.files),
                "carried": len(dataset.files) - len(dataset.struck),
                "rows": rows or None,
                "bytes": size * copies,
                "spill": spill,
                "seed": found.recipe.seed,
                "steps": described,
                "warnings": found.warnings,
                **({} if advice is None else {"advice": [asdict(line) for line in advice]}),
            }
        )
    elif not quiet:
        struck = len(dataset.struck)
        print(f"input     {struck} {'file' if struck == 1 else 'files'} to strike ({dataset.target}), ", end="")
        print(f"{len(dataset.files) - len(dataset.struck)} to carry" + (f", {rows:,} rows" if rows else ""))
        print(f"output    {copies} {'copy' if copies == 1 else 'copies'}, about {amount(size * copies)}")
        if spill:
            print(f"spill     about {amount(spill)} at a time are put aside beside the output while it runs")
        print(f"seed      {found.recipe.seed}\n")
        lines = [[f, s.id, s.corruption.name, ", ".join(s.columns), f"{s.rate:g}"] for f, s in steps]
        _swept(["step", "op", "columns", "rate"], lines, right=3)
    warn([*found.warnings, *map(str, advice or ())])


def recipe(checked: Recipe, json_: bool) -> None:
    """Say that a recipe is right, and what it asks for."""
    if json_:
        as_json(checked.document)
    else:
        count = len(checked.steps)
        print(f"{checked.source.name}: {count} {'step' if count == 1 else 'steps'} for {checked.target}, no faults")


def verified(manifest: Manifest, faults: Sequence[str], json_: bool) -> None:
    """Show what `verify` found."""
    if json_:
        as_json({"ok": not faults, "files": len(manifest.outputs), "faults": list(faults)})
    if faults:
        raise CheckFailed("\n".join(faults))
    if not json_:
        count = len(manifest.outputs)
        print(f"{count} {'file is' if count == 1 else 'files are'} what the manifest says")


def replayed(done: Outcome, same_content: Sequence[str], different: Sequence[str], json_: bool, quiet: bool) -> None:
    """Show how a replay compares with what was recorded."""
    if json_:
        others = {*same_content, *different}
        equal = sum(entry.path not in others for entry in done.manifest.outputs)
        as_json(
            {
                "output": str(done.output),
                "manifest": str(done.manifest_path),
                "identical": equal,
                "equal_in_content": list(same_content),
                "different": list(different),
            }
        )
    if same_content or different:
        lines = [f"{path}: other bytes, equal content" for path in same_content]
        lines += [f"{path}: differs from what the manifest records" for path in different]
        hint = "" if different else "\nthe environment differs from the recorded one"
        raise CheckFailed("\n".join(lines) + hint)
    if not json_ and not quiet:
        print(f"{done.output}: identical to what the manifest records")
