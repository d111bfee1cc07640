"""What stands above the steps of a starter recipe: what was looked at, seed, purpose, and the roles of columns."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from noisecli.celltext import NULLS
from noisecli.formats.plain import COMPRESSED
from noisecli.starter import clues, pictures, yaml
from noisecli.starter.draft import Columns, Draft
from noisecli.starter.look import Opened, TableLook
from noisecli.starter.pictures import ImageLook
from noisecli.starter.profile import Profile, Use, percent, shown
from noisecli.starter.roles import Roles

MOST_LINES = 40
"""Columns that are told of one by one."""

LONGEST_NAME = 28


def for_tables(columns: Columns, draft: Draft) -> list[str]:
    """Everything above the steps of a recipe for tables."""
    look, roles = columns.look, columns.roles
    purpose = "evaluate" if roles.held_out_only or look.opened.purpose == "evaluate" else draft.purpose
    lines = [*_title(look.opened, draft), *_table_of_columns(look)]
    for note in draft.notes:
        lines += ["#", *yaml.comment(note)]
    lines += [*_head(look.opened, purpose, draft, "split" in roles.named), *_data(look, roles)]
    return lines


def for_images(look: ImageLook, draft: Draft) -> list[str]:
    """Everything above the steps of a recipe for images."""
    purpose = "evaluate" if look.opened.purpose == "evaluate" else draft.purpose
    lines = _title(look.opened, draft)
    for line in pictures.described(look):
        lines += yaml.comment(line)
    return lines + _head(look.opened, purpose, draft, bool(look.splits))


def _title(opened: Opened, draft: Draft) -> list[str]:
    name = opened.name if opened.name.isprintable() else repr(opened.name)
    told = commands(name, "recipe.yaml", output_for(opened, draft), "")[:2]
    return [
        *yaml.comment(f"A starter recipe for {name}: weak noise that fits it, to be edited."),
        *(f"#   {line}" for line in told),
        "#",
    ]


def output_for(opened: Opened, draft: Draft) -> str:
    """A name for the output: a file for a file, but a folder for several copies."""
    path = opened.dataset.root
    if not opened.dataset.single or draft.sweep:
        return "noisy"
    packed = path.suffix.lower() in COMPRESSED
    return "noisy" + "".join(path.suffixes[-2:] if packed else path.suffixes[-1:])


def commands(source: str, recipe: str, output: str, shown: str) -> list[str]:
    """What to do with a recipe, in order, as a shell takes it."""
    source, recipe, output, shown = map(shlex.quote, (source, recipe, output, shown))
    return [
        f"noisecli preview {source} -r {recipe}",
        f"noisecli augment {source} -r {recipe} -o {output}",
        f"noisecli verify {output} --input {source}",
        f"noisecli report {shown} --input {source}",
    ]


def _table_of_columns(look: TableLook) -> list[str]:
    looked = f"all {look.rows:,} rows" if look.opened.excerpt.whole else _excerpted(look)
    lines = yaml.comment(f"Looked at: {looked}.")
    rows = [("column", "type", "missing", "different", "what it holds")]
    profiles = list(look.profiles.values())
    for found in profiles[:MOST_LINES]:
        kind = found.column.kind.value
        rows.append((_name(found), kind, percent(found.missing), f"{found.distinct:,}", found.about))
    widths = [max(map(len, cells)) for cells in list(zip(*rows, strict=True))[:4]]
    for name, kind, gaps, distinct, about in rows:
        line = f"#   {name:<{widths[0]}}  {kind:<{widths[1]}}  {gaps:>{widths[2]}}  {distinct:>{widths[3]}}  {about}"
        lines.append(yaml.visible(line.rstrip()))
    if len(profiles) > MOST_LINES:
        lines.append(f"#   and {len(profiles) - MOST_LINES:,} more columns: {_kinds(profiles[MOST_LINES:])}")
    if look.uneven:
        told = ", ".join(shown(name) for name in look.uneven[:8])
        lines += yaml.comment(f"Not in all files, or of several types, and so left alone: {told}.")
    return lines


def _name(found: Profile) -> str:
    return shown(found.name, LONGEST_NAME)


def _kinds(profiles: Sequence[Profile]) -> str:
    kinds = [found.column.kind.value for found in profiles]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _excerpted(look: TableLook) -> str:
    size = sum(file.path.stat().st_size for file in look.opened.dataset.struck)
    return (
        f"{look.rows:,} rows from all over {_bytes(size)} in {len(look.opened.dataset.struck):,} files"
        if not look.opened.dataset.single
        else f"{look.rows:,} rows from all over {_bytes(size)}"
    ) + "; what is said below is so in these"


def _bytes(size: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{max(1, size // 1000)} kB"


def _head(opened: Opened, purpose: str, draft: Draft, splits: bool) -> list[str]:
    lines = ["", "noisecli: 1", "seed: 1            # the same seed makes the same noise; another one, other noise"]
    if purpose == "train":
        reason = "validation and test data stay clean" if splits else "files that are named val or test stay clean"
    elif draft.purpose == "evaluate":
        reason = "to test a model: everything is struck"
        reason += ", training data too, so give it the test data alone" if splits else ""
    else:
        reason = "this looks like held-out data; under `train` it would stay clean"
    lines.append(f"purpose: {purpose}".ljust(19) + f"# {reason}")
    if opened.both:
        other = "images" if opened.dataset.target == "table" else "tables"
        lines.append(f"target: {opened.dataset.target}".ljust(19) + f"# the {other} there want a recipe of their own")
    if draft.sweep:
        if "steps" in draft.sweep:
            lines += yaml.comment("A folder for each step alone at each severity; INPUT is what they compare with.")
        else:
            lines += yaml.comment(
                "The one knob: a folder for each severity, 0 is clean. "
                "What a lower one strikes a higher one strikes too."
            )
            lines += yaml.comment("To see which damage hurts the most, add `steps: alone`: each step then acts alone.")
        lines.append(f"sweep: {yaml.flow(draft.sweep)}")
    return lines


def _data(look: TableLook, roles: Roles) -> list[str]:
    """The roles, each with its reason, and how dates are written."""
    said: list[str] = []
    if look.encoding is not None:
        said.append(f"  encoding: {look.encoding}    # the text is not UTF-8; this is a guess")
    for role in ("label", "split", "id", "time", "entity"):
        if role in roles.named:
            name, reason = roles.named[role]
            said += _with_reason(f"  {role}: {yaml.scalar(name)}", reason)
    formats = {found.name: _type(found) for found in look.profiles.values() if found.format}
    if formats:
        said.append("  types:             # dates that are not in ISO 8601; every value looked at fits")
        said += [line for name, how in formats.items() for line in yaml.entry(yaml.scalar(name), how, 4)]
    said += _unclear(look, bool(formats))
    open_ = list(_questions(look, roles))
    enabled = any(not line.lstrip().startswith("#") for line in said)
    lines = ["data:" if enabled else "# data:"] if said or open_ else []
    return [*lines, *said, *open_, *_spared(look, roles)]


def _type(found: Profile) -> dict[str, Any]:
    return {"dtype": found.column.kind.value, "format": found.format}


def _with_reason(line: str, reason: str) -> list[str]:
    behind = f"{line}    # {yaml.visible(reason)}"
    return [behind] if len(behind) <= yaml.WIDTH else [*yaml.comment(reason, 2), line]


def _unclear(look: TableLook, below: bool) -> Iterator[str]:
    """Dates that can be read in several ways: one of these lines is to be enabled, `below` others or by itself."""
    for found in look.profiles.values():
        if found.unclear:
            why = "holds dates, but no value tells which of these is meant, so no step strikes it yet:"
            yield from yaml.comment(f"{shown(found.name)} {why}", 2)
        for format in found.unclear:
            how = yaml.flow({found.name: {"dtype": clues.kind_of_format(format).value, "format": format}})
            yield from yaml.disabled([f"    {how[1:-1]}" if below else f"  types: {how}"], 4 if below else 2)


def _questions(look: TableLook, roles: Roles) -> Iterator[str]:
    """What may be so, as lines to be enabled."""
    if roles.question is not None:
        yield from yaml.disabled([f"  label: {yaml.scalar(roles.question)}    # is this what is to be predicted?"])
    told: dict[str, None] = {}
    for found in look.profiles.values():
        if found.stand_ins:
            values = ", ".join(map(shown, found.stand_ins[:5]))
            question = f"{shown(found.name)}: does {values} stand for a missing value?"
            if found.almost_number:
                question += " All else there are numbers; without the line below no step strikes it."
            yield from yaml.comment(question, 2)
            told |= dict.fromkeys(found.stand_ins)
    if told and "null_values" in look.settings:
        yield from yaml.disabled([f"  null_values: {yaml.flow([*NULLS, *told])}"])


def _spared(look: TableLook, roles: Roles) -> Iterator[str]:
    """Columns that no step strikes, and why."""
    reasons = dict(roles.spared)
    for found in look.profiles.values():
        if found.name not in roles.taken and found.use in (Use.ALIKE, Use.OTHER):
            asked = "see above" if found.unclear or found.stand_ins else "of no type that a step fits"
            reasons[found.name] = found.about if found.use is Use.ALIKE else asked
    by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by_reason.setdefault(why, []).append(shown(name))
    for why, names in by_reason.items():
        listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        yield from yaml.comment(f"Left alone: {listed} ({why}).", 0)
