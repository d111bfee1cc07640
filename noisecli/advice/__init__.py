"""Advice of the field on a recipe and its data: what is allowed, and yet seldom meant.

It looks at a run that is prepared and changes nothing of it. What it says holds nearly always, or it is not said.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from noisecli import run
from noisecli.advice import columns, copies, held_out, interplay, labels, pictures, strikes
from noisecli.advice.asking import widen
from noisecli.advice.case import Advice, Adviser, Case, first_of_each
from noisecli.advice.trial import prepare_trial
from noisecli.errors import NoiseError
from noisecli.recipe import Override

__all__ = ["Advice", "examine"]

ADVISERS: tuple[Adviser, ...] = (
    held_out.unnamed_split,
    held_out.unnamed_folder,
    held_out.strikes_held_out_only,
    held_out.evaluates_training_data,
    columns.identifiers,
    columns.labels,
    columns.flags,
    columns.near_constant,
    strikes.nothing_to_strike,
    strikes.nothing_eligible,
    strikes.strikes_none,
    strikes.no_spread,
    strikes.drowns_the_column,
    strikes.below_resolution,
    strikes.without_effect,
    interplay.no_row_left,
    interplay.act_on_nothing,
    interplay.work_in_vain,
    labels.few_rows,
    labels.beyond_learning,
    labels.wrong_yardstick,
    copies.clones,
    copies.merged_copies,
    copies.mixed_rows,
    copies.same_in_both,
    pictures.too_strong,
)

MOST_VARIANTS = 5
"""So many variants of a sweep are looked at, from all over it."""


def examine(
    source: str | Path, recipe: str | Path | Mapping[str, Any], *, overrides: Sequence[Override] = ()
) -> tuple[run.Prepared, list[Advice]]:
    """Do what precedes a run, and give advice on it.

    Args:
        source: as for `noisecli.augment`.
        recipe: as for `noisecli.augment`.
        overrides: as for `noisecli.augment`.

    Returns:
        what a run would do, and the advice.

    Raises:
        NoiseError: a fault of the recipe, the arguments, the data or the environment.
    """
    prepared = run.inspect(source, recipe, overrides=overrides, widen=widen)
    found: list[Advice] = []
    variants = prepared.recipe.variants
    looked_at = variants[:: -(-len(variants) // MOST_VARIANTS)]
    for variant in looked_at:
        with TemporaryDirectory(prefix="noisecli-") as space:
            spooled = replace(prepared, dataset=prepared.dataset.spooled(Path(space)))
            found += _advise(Case(spooled, variant.recipe, prepared.plans[variant.folder], None), variant.folder, space)
    return prepared, first_of_each(found, len(looked_at))


def _advise(case: Case, folder: str, space: str) -> list[Advice]:
    found: list[Advice] = []
    try:
        if case.recipe.target == "table":
            case = replace(case, trial=prepare_trial(case.prepared, case.plan, Path(space)))
            if case.trial is not None:
                case.trial.run()
    except NoiseError as error:
        case = replace(case, trial=None)
        found.append(Advice("trial", f"the steps fail on the first rows: {error}"))
    for adviser in ADVISERS:
        with suppress(NoiseError):  # steps that run together may fail one without the other
            found += adviser(case)
    return [replace(advice, sweep=folder or None) for advice in found]
