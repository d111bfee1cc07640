"""Whether what a step says of its choosing agrees with its op, and with itself."""

from noisecli.corruption import CellCorruption, RowsCorruption, TableCorruption, TextCorruption
from noisecli.parameters import Duration
from noisecli.recipe.checked import PlannedStep
from noisecli.recipe.mechanisms import Mnar
from noisecli.recipe.models import TableStep
from noisecli.recipe.source import Loc, Source
from noisecli.recipe.window import Window


def check_choosing(source: Source, step: PlannedStep, loc: Loc) -> None:
    """Report every key of a step about who is struck that its op, or another key, leaves no sense to."""
    settings, op, mechanism = step.settings, step.corruption, step.mechanism
    if not isinstance(settings, TableStep):
        return
    named = f"op {op.name!r}"
    _check_durations(source, step, settings, loc)
    together = isinstance(op, TableCorruption) and op.together
    if isinstance(mechanism, Mnar) and together:
        what = f"{named} strikes whole rows, which have no value of their own: use mar"
        source.fault((*loc, "mechanism"), what, True)
    if isinstance(mechanism, Window) and mechanism.by is None:
        objection = mechanism.objection(None)
        if objection is not None:
            what = f"window: the row's number {objection}; for a column say `by:`, or `data: {{time: ...}}`"
            source.fault((*loc, "mechanism"), what)
    if not isinstance(op, CellCorruption):
        why = (
            " strikes whole rows, it"
            if together
            else " strikes parts of texts, it"
            if isinstance(op, TextCorruption)
            else ""
        )
        for key in sorted({"joint", "nulls", "patterns"} & settings.model_fields_set):
            source.fault((*loc, key), f"{named}{why} takes no {key!r}", True)
    elif step.nulls and not op.fills_nulls:
        source.fault((*loc, "nulls"), f"{named} needs a value to change: missing cells cannot be struck", True)
    if isinstance(op, RowsCorruption):
        return
    if mechanism is not None and step.exact:
        source.fault((*loc, "exact"), "an exact number of cells is chosen by mcar only", True)
    if step.joint and isinstance(op, CellCorruption):
        _check_joint(source, step, settings, loc)


def _check_durations(source: Source, step: PlannedStep, settings: TableStep, loc: Loc) -> None:
    """Report durations where no column says when a row was."""
    lengths: dict[Loc, object] = {(key,): value for key, value in step.corruption}
    if settings.mechanism.burst is not None:
        lengths["mechanism", "burst", "length"] = settings.mechanism.burst.length
    for inner, length in lengths.items():
        if isinstance(length, Duration) and step.time is None:
            way = "name the column of times with `data: {time: COLUMN}`, or give a number of rows"
            source.fault((*loc, *inner), f"{inner[-1]}: {length} is a duration, and nothing says when a row was: {way}")


def _check_joint(source: Source, step: PlannedStep, settings: TableStep, loc: Loc) -> None:
    key = "patterns" if settings.patterns is not None else "joint"
    if isinstance(step.mechanism, Mnar):
        what = f"{key!r} strikes rows, and each cell's own value would choose other ones in every column: use mar"
        source.fault((*loc, "mechanism"), what, True)
    if step.exact:
        what = f"{key!r} strikes rows, of which a column may have fewer eligible cells than its exact number"
        source.fault((*loc, "exact"), what, True)
    if settings.patterns is None or settings.columns is None:
        return
    if set(map(str, settings.columns)) != set(map(str, step.columns or ())):
        what = "columns: are not all the names in `patterns`, and no others: leave `columns` out"
        source.fault((*loc, "columns"), what, True)
