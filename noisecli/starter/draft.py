"""Steps of a recipe before they are written, and which columns they name."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from noisecli.columns import MOMENT, NUMBER, Kind
from noisecli.plan import TRAINING
from noisecli.starter import yaml
from noisecli.starter.look import TableLook
from noisecli.starter.profile import Profile, Use, figure, shown
from noisecli.starter.roles import Roles

MOST_NAMED = 12
"""More columns than that are selected by a keyword or glob, where one fits them exactly."""


@dataclass(frozen=True)
class Step:
    """A step, and why it is there."""

    op: str
    why: str
    columns: Sequence[Profile] | None = None
    """None: the step names no columns."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    tell: Callable[[Profile], str] | None = None
    """What is said of each column, behind the reason."""
    active: bool = True
    """False: it is written as a comment, to be enabled."""


@dataclass(frozen=True)
class Group:
    """Steps that imitate the same thing."""

    title: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Draft:
    """All that a theme has to say."""

    groups: Sequence[Group]
    purpose: str = "train"
    sweep: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """What is to be said before the steps."""

    @property
    def steps(self) -> list[Step]:
        """The steps that are not comments."""
        return [step for group in self.groups for step in group.steps if step.active]


@dataclass(frozen=True)
class Columns:
    """The columns that steps may strike, by what noise they can take."""

    look: TableLook
    roles: Roles

    def of(self, *uses: Use) -> list[Profile]:
        """Columns of some uses that have no role and are not spared."""
        found = self.look.profiles.values()
        return [each for each in found if each.use in uses and each.name not in self.roles.taken]

    @property
    def label(self) -> Profile | None:
        """The column to be predicted."""
        name = self.roles.column("label")
        return None if name is None else self.look.profiles[name]

    @property
    def training(self) -> float:
        """The share of rows that may be struck."""
        name = self.roles.column("split")
        if name is None or self.roles.held_out_only:
            return 1.0
        values = self.look.profiles[name].common
        return sum(share for value, share in values if value.strip().lower() in TRAINING)


def written(step: Step, columns: Columns | None) -> list[str]:
    """Write a step with its reason, as lines of the recipe; without columns it is one on images."""
    settings: dict[str, Any] = {} if step.id is None else {"id": step.id}
    if step.columns is not None:
        assert columns is not None
        chosen = selectors([found.name for found in step.columns], columns)
        settings["columns"] = chosen[0] if len(chosen) == 1 else chosen
    lines = yaml.step(step.op, {**settings, **step.settings})
    why = step.why
    if step.tell is not None:
        why = f"{why.removesuffix('.')} ({each(step.columns or (), step.tell)})."
    return [*yaml.comment(why, 2), *(lines if step.active else yaml.disabled(lines))]


def selectors(names: Sequence[str], columns: Columns) -> list[Any]:
    """Select exactly these columns: by name, or if they are many by keywords and globs as far as these fit."""
    if len(names) <= MOST_NAMED:
        return list(names)
    left, chosen = dict.fromkeys(names), []
    free = [each for each in columns.look.profiles.values() if each.name not in _roles_of(columns.roles)]
    candidates: list[tuple[Any, frozenset[str]]] = []
    for keyword, fits in _KEYWORDS:
        if keyword not in columns.look.profiles:
            candidates.append((keyword, frozenset(each.name for each in free if fits(each))))
    for start in sorted({start for name in names for start in _starts(name)}, key=lambda start: (len(start), start)):
        glob = f"{start}*"
        candidates.append((glob, frozenset(each.name for each in free if fnmatchcase(each.name, glob))))
    fitting = [(said, hit) for said, hit in candidates if len(hit) > 1 and hit <= set(names)]
    while fitting:
        said, hit = max(fitting, key=lambda pair: len(pair[1] & left.keys()))
        if len(hit & left.keys()) < 4:
            break
        chosen.append(said)
        left = dict.fromkeys(name for name in left if name not in hit)
    return [*chosen, *left]


_KEYWORDS: Sequence[tuple[str, Callable[[Profile], bool]]] = (
    ("all", lambda found: True),
    ("numeric", lambda found: found.column.kind in NUMBER),
    ("datetime", lambda found: found.column.kind in MOMENT),
    ("category", lambda found: found.column.kind is Kind.BOOL or (_is_text(found) and found.distinct <= 100)),
    ("text", lambda found: _is_text(found) and found.distinct > 100),
)
"""Keywords, and which columns they select."""


def _is_text(found: Profile) -> bool:
    return found.column.kind is Kind.TEXT


def _roles_of(roles: Roles) -> set[str]:
    return {name for name, _ in roles.named.values()}


def _starts(name: str) -> Iterable[str]:
    """Beginnings of a name that may be those of a family: up to a mark between words, or up to a number."""
    ends = [match.end() for match in re.finditer(r"[_. -]+|(?<=[^0-9])(?=[0-9])", name)]
    return [name[:end] for end in ends if end and not set(name[:end]) & set("*?[]!")]


def each(columns: Sequence[Profile], say: Callable[[Profile], str], most: int = 3) -> str:
    """Say something of the first few columns: `age: sd 14.5; fare: sd 49.7; and 4 more`."""
    said = "; ".join(f"{shown(found.name)}: {say(found)}" for found in columns[:most])
    return f"{said}; and {len(columns) - most} more" if len(columns) > most else said


def noise(found: Profile, sigma: float) -> str:
    """Say how much a share of a column's spread is in its own unit."""
    return f"{figure(sigma * found.column.sd)}"
