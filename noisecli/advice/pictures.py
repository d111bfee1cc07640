"""Strengths that are too much for small images."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from noisecli.advice.case import Advice, Case
from noisecli.corruption import AdditiveCorruption, ImageCorruption
from noisecli.errors import NoiseError
from noisecli.formats.images import size_of
from noisecli.plan import StepPlan

LOOKED_AT = 32
"""So many images are looked at, from all over the input."""
SMALL = 112
"""Below half of the 224 px that presets are made for, in px."""


def sides(case: Case) -> list[float]:
    """Return the geometric mean of the sides of some images, in px, ascending."""
    files = [file.path for file in case.prepared.dataset.struck]
    found = []
    for path in files[:: max(1, len(files) // LOOKED_AT)]:
        with suppress(NoiseError):  # a run will say what is wrong with it
            width, height = size_of(path)
            found.append(float(width * height) ** 0.5)
    return sorted(found)


def too_strong(case: Case) -> Iterator[Advice]:
    """Parameters beyond the strongest preset for images of that size."""
    if case.recipe.target != "images":
        return
    known = sides(case)
    side = known[len(known) // 2] if known else SMALL
    if side >= SMALL:
        return
    for _, step in case.steps:
        op = step.corruption
        if (
            not isinstance(op, ImageCorruption)
            or not op.small_severities
            or (step.severity is not None and step.scaled)
        ):
            continue
        strong = op.preset_for(5, side)
        beyond = [key for key in strong if key != "rate" and _is_beyond(op, key, side)]
        if beyond:
            yield _advice(step, beyond[0], strong, side)


def _is_beyond(op: ImageCorruption, key: str, side: float) -> bool:
    """Say whether a parameter is stronger than at severity 5, if it grows or falls with severity."""
    value = getattr(op, key)
    levels = [op.preset_for(severity, side)[key] for severity in range(1, 6)]
    if levels[0] == levels[4] or (isinstance(op, AdditiveCorruption) and op.psnr_db is not None):
        return False
    if levels == sorted(levels):
        return bool(value > levels[4])
    return levels == sorted(levels, reverse=True) and bool(value < levels[4])


def _advice(step: StepPlan, key: str, strong: Mapping[str, Any], side: float) -> Advice:
    value = getattr(step.corruption, key)
    text = f"{key} {value:g} is beyond severity 5 for images of {side:.0f} px a side ({strong[key]:g})"
    how = "leave out `scale: none`" if step.severity is not None else "say a `severity`, which goes by the size"
    return Advice("size", f"{text}, and leaves little to recognise: {how}", step.id)
