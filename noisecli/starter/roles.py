"""Which columns are no features: label, split, id, time and entity."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from noisecli.columns import NUMBER, Kind
from noisecli.plan import TRAINING
from noisecli.run.dataset import HELD_OUT
from noisecli.starter import clues
from noisecli.starter.look import TableLook
from noisecli.starter.profile import Profile, Use, percent, said_by

LABELS = (
    "target|label|labels|y|outcome",
    "survived|churn|churned|fraud|default|readmitted|attrition|converted|diagnosis|sentiment|spam|species|income_bracket",
    "class",
)
"""Names of what is predicted, the surest first."""

SPLITS = "split|fold|subset|partition|set|phase"
SPLIT_VALUES = TRAINING | HELD_OUT | {"testing", "eval"}
TIMES = "time|timestamp|ts|datetime|date|when|day|hour|month|year|epoch|seconds|elapsed|tick|at"
CLOCKS = "time|timestamp|ts|t|epoch|seconds|elapsed|tick"
"""Names of times that are plain numbers."""
ENTITIES = (
    "device|sensor|station|machine|unit|engine|node|channel|site|patient|subject|user|customer|vehicle|meter|store"
)

MOST_CLASSES = 50
LONGEST_FLAT = 0.5
"""Share of neighbours that may have the same time where rows are in order of it."""

Index = NDArray[np.int64]


@dataclass
class Roles:
    """Columns by role, each with the reason."""

    named: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Role to column and reason."""
    question: str | None = None
    """A column that may be the label."""
    spared: dict[str, str] = field(default_factory=dict)
    """Columns without a role that no step should strike, and why."""
    held_out_only: bool = False
    """Whether the split column names no training rows."""
    regular: bool = False
    """Whether the rows are one series, or several, with even steps of time."""
    length: int = 0
    """Rows of a series, on average."""

    def column(self, role: str) -> str | None:
        """The column that has a role."""
        return self.named[role][0] if role in self.named else None

    @property
    def taken(self) -> set[str]:
        """Columns that no step strikes unless it names them."""
        return {name for name, _ in self.named.values()} | set(self.spared)


def find_roles(look: TableLook) -> Roles:
    """Settle the roles of columns as far as names and values leave little doubt."""
    roles, profiles = Roles(), list(look.profiles.values())
    _find_split(roles, profiles)
    _find_time(roles, look)
    _find_id(roles, profiles)
    _find_label(roles, profiles)
    for found in profiles:
        if found.name in roles.taken:
            continue
        if found.use is Use.KEY:
            roles.spared[found.name] = "its name says a key, not a quantity"
        elif found.unique and found.use is Use.CODE and clues.names_a_key(found.name):
            roles.spared[found.name] = "a key: different in every row"
    return roles


def _find_split(roles: Roles, profiles: Iterable[Profile]) -> None:
    for found in profiles:
        values = {value.strip().lower() for value, _ in found.common}
        if found.column.kind is not Kind.TEXT or not values or found.distinct > 6 or not values <= SPLIT_VALUES:
            continue
        if values & TRAINING or said_by(found.name, SPLITS):
            shares = ", ".join(f"{value} {percent(share)}" for value, share in found.common)
            roles.named["split"] = found.name, f"{shares}: only training rows are struck"
            roles.held_out_only = not values & TRAINING
            return


def _find_id(roles: Roles, profiles: list[Profile]) -> None:
    for found in profiles:
        if found.name in roles.taken or not found.unique or found.column.kind not in (Kind.INTEGER, Kind.TEXT):
            continue
        integer = found.column.kind is Kind.INTEGER
        counted = integer and bool((np.diff(found.column.to_numbers(found.cells)) == 1).all())
        alike = not integer and found.use is Use.CODE and clues.all_keys(found.cells)
        nameless = found.name.startswith("#") or found.name.lower().startswith("unnamed")
        if clues.names_a_key(found.name) or (found is profiles[0] and (counted or alike)) or (counted and nameless):
            roles.named["id"] = found.name, "different in every row, so it identifies one"
            return


def _find_label(roles: Roles, profiles: list[Profile]) -> None:
    free = [found for found in profiles if found.name not in roles.taken and found.use is not Use.ALIKE]
    strong = (found for names in LABELS for found in free if said_by(found.name, names) and _whole(found.name, names))
    for found in strong:
        classes = found.use in (Use.FLAG, Use.CATEGORY, Use.LEVELS) and found.distinct <= MOST_CLASSES
        if not classes and found.column.kind not in NUMBER:
            continue
        kind = f"{found.distinct} classes" if classes else "a number"
        roles.named["label"] = found.name, f"its name says so; {kind}. No step strikes it unless it says so"
        _spare_copies(roles, found, free)
        return
    if free and free[-1].use in (Use.FLAG, Use.CATEGORY) and free[-1].distinct <= 20:
        roles.question = free[-1].name


def _whole(name: str, names: str) -> bool:
    """Whether the name says little else: `is_fraud`, `churn_flag`, but not `class_size`."""
    kept = [word for word in clues.words_of(name) if word not in ("is", "has", "flag", "the", "name", "col", "value")]
    return len(kept) == 1 and said_by(kept[0], names)


def _spare_copies(roles: Roles, label: Profile, free: Iterable[Profile]) -> None:
    """Leave columns alone that say the same as the label: noise on them alone would make a riddle of it."""
    for found in free:
        if found.name != label.name and found.distinct == label.distinct > 1 and _pairs(label, found) == label.distinct:
            roles.spared[found.name] = f"says the same as {label.name}, one to one: does it give the answer away?"


def _pairs(one: Profile, other: Profile) -> int:
    """How many combinations of the values of two columns there are."""
    codes = [_codes(found.cells) for found in (one, other)]
    return len(np.unique(codes[0] * (other.distinct + 1) + codes[1]))


def _codes(cells: pa.Array) -> Index:
    encoded = pc.dictionary_encode(cells, null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)


def _find_time(roles: Roles, look: TableLook) -> None:
    """Find a column of times in which rows are in order, in all of the file or within what an entity column names."""
    profiles = [found for found in look.profiles.values() if found.name not in roles.taken]
    times = [found for found in profiles if found.missing < 0.05 and (found.use is Use.MOMENT or _is_clock(found))]
    times.sort(key=lambda found: not said_by(found.name, TIMES))
    groups = _entities(look, profiles)
    for found in times:
        for entity in (None, *groups):
            if _settle_time(roles, look, found, entity, groups):
                return


def _is_clock(found: Profile) -> bool:
    return found.use is Use.MEASURE and said_by(found.name, CLOCKS) and len(clues.words_of(found.name)) == 1


def _entities(look: TableLook, profiles: Iterable[Profile]) -> list[Profile]:
    """Columns whose values may stand for devices or people, the likeliest first."""
    uses = (Use.CATEGORY, Use.CODE, Use.KEY, Use.LEVELS, Use.FLAG)
    some = [found for found in profiles if found.use in uses and found.missing == 0]
    some = [found for found in some if 2 <= found.distinct <= look.rows / 5]
    return sorted(some, key=lambda found: (not _names_entity(found.name), found.distinct))


def _names_entity(name: str) -> bool:
    return said_by(name, ENTITIES) or clues.words_of(name)[-1:] == ["id"]


def _settle_time(
    roles: Roles, look: TableLook, found: Profile, entity: Profile | None, groups: Iterable[Profile]
) -> bool:
    times, known = _clock(found)
    series = look.file_of_row if entity is None else look.file_of_row * (entity.distinct + 1) + _codes(entity.cells)
    order = np.lexsort((np.arange(len(times)), series))
    order = order[known[order]]
    within = np.diff(series[order]) == 0
    steps = np.diff(times[order])[within]
    if len(steps) < 8 or (steps < 0).any():
        return False
    named = next((group for group in groups if _names_entity(group.name)), None)
    if entity is None and named is not None:
        return _settle_time(roles, look, found, named, ())  # rows of several devices, in the order of one clock
    if np.mean(steps == 0) > LONGEST_FLAT:
        return False
    where = f"within each {entity.name}" if entity is not None else "from row to row"
    roles.named["time"] = found.name, f"never decreases {where}, in the rows looked at"
    if entity is not None:
        roles.named["entity"] = entity.name, f"{entity.distinct} of them, each with times that ascend"
    even = steps[steps > 0]
    commonest = np.unique(even, return_counts=True)[1].max(initial=0)
    roles.regular = bool(commonest > len(even) / 2)
    roles.length = max(1, look.rows // (entity.distinct if entity is not None else 1))
    return True


def _clock(found: Profile) -> tuple[Index, NDArray[np.bool_]]:
    if found.use is Use.MOMENT:
        return found.column.to_times(found.cells)
    numbers = found.column.to_numbers(found.cells)
    known = np.isfinite(numbers)
    return np.where(known, numbers, 0.0), known
