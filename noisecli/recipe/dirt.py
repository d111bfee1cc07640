"""What a recipe may say of steps on the finished file, and where they stand."""

from collections.abc import Sequence

from noisecli.corruption import FileCorruption, ImageFileCorruption, RecordCorruption, SheetCorruption
from noisecli.parameters import Duration
from noisecli.recipe.checked import PlannedStep
from noisecli.recipe.mechanisms import Burst, Mcar
from noisecli.recipe.models import Head, TableStep
from noisecli.recipe.source import Loc, Source

FOREIGN = ("exact", "decimals", "joint", "nulls", "patterns", "where")
"""Step keys that make no sense on a finished file."""


def check_dirt(source: Source, head: Head, steps: Sequence[PlannedStep | None]) -> None:
    """Check that steps on the file come last, strike no held-out rows, and say nothing that has no meaning there."""
    dirt = ""
    for i, step in enumerate(steps):
        if step is None:
            continue
        loc: Loc = ("steps", i)
        op = step.corruption
        if isinstance(op, FileCorruption):
            dirt = step.id
            _check_keys(source, step, op, loc)
            _check_head(source, head, op, loc)
        elif isinstance(op, ImageFileCorruption):
            dirt = step.id
            if "scale" in step.settings.model_fields_set:
                what = f"op {op.name!r} acts on the finished file, whatever its size: it takes no 'scale'"
                source.fault((*loc, "scale"), what, True)
        elif dirt:
            source.fault(loc, f"step {step.id!r} must stand before {dirt!r}: steps on the finished file come last")


def _check_head(source: Source, head: Head, op: FileCorruption, loc: Loc) -> None:
    if op.needs_header and not head.data.header:
        what = "damages the header, and `data: {header: false}` says that there is none"
        source.fault((*loc, "op"), f"op {op.name!r} {what}: leave it out")
    if isinstance(op, SheetCorruption) and head.data.split is not None and head.purpose == "train":
        what = f"damages the whole file, held-out rows of the split column {head.data.split!r} too"
        way = "split it into files, or say `purpose: evaluate`"
        source.fault((*loc, "op"), f"op {op.name!r} {what}: {way}")


def _check_keys(source: Source, step: PlannedStep, op: FileCorruption, loc: Loc) -> None:
    settings = step.settings
    assert isinstance(settings, TableStep)
    named = f"op {op.name!r} acts on the finished file, it takes no"
    for key in FOREIGN:
        if key in settings.model_fields_set:
            source.fault((*loc, key), f"{named} {key!r}", True)
    if step.columns is not None and op.names_columns == "never":
        strikes = "rows" if isinstance(op, RecordCorruption) else "files"
        source.fault((*loc, "columns"), f"op {op.name!r} strikes whole {strikes}, it takes no 'columns'", True)
    mechanism = settings.mechanism.mechanism
    if isinstance(op, SheetCorruption) and "mechanism" in settings.model_fields_set:
        source.fault((*loc, "mechanism"), f"{named} 'mechanism': its rate is the chance of a file", True)
    elif mechanism is not None and not isinstance(mechanism, Burst | Mcar):
        source.fault((*loc, "mechanism"), f"{named} mechanism but mcar and burst: clean cells are not at hand")
    elif isinstance(mechanism, Burst) and isinstance(mechanism.length, Duration):
        what = f"{named} length in time: give a number of rows, as in {{burst: {{length: 20}}}}"
        source.fault((*loc, "mechanism", "burst", "length"), what)
