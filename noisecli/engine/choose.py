"""Which rows of a slab a step may strike, and which of their cells it chooses."""

from typing import Any

import numpy as np

from noisecli.engine.slab import Block, Index, Slab
from noisecli.mechanism import strike_cells
from noisecli.plan import Plan, StepPlan
from noisecli.quota import cell_keys
from noisecli.streams import (
    BLOCK,
    BlockDraws,
    CounterDraws,
    Floats,
    Mask,
    Purpose,
    Stream,
    Words,
    raw_words,
    scramble,
    to_uniform,
)


def allowed_rows(plan: Plan, step: StepPlan, slab: Slab, training: Mask) -> Mask:
    """Say which rows a step may strike: training rows that pass its `where`, in its window."""
    allowed = training
    if step.where is not None:
        allowed = allowed & step.where.mask(slab.cells, plan.columns)
    if step.window is not None:
        allowed = allowed & step.window.mask(slab.cells, range(slab.first_row, slab.first_row + slab.rows))
    return allowed


def chosen_cells(plan: Plan, stream: Stream, step: StepPlan, column: str, block: Block, slab: Slab) -> Mask:
    """Say which of the cells of a block a step chooses, eligible or not; column "" stands for whole rows."""
    if step.exact:
        keys = cell_keys(stream, column, block.number)[block.slots]
        return plan.quotas[step.id, column, stream.copy].mask(keys, slab.cells[column][block.rows])
    unit, chooser = step.unit(column), plan.chooser(step, column)
    if _along(step, slab):
        chosen = slab.bursts[step.id, unit][block.rows]
    elif chooser is None:
        chosen = strike_cells(stream, unit, block.number, step.rate)[block.slots]
    else:
        cells = {name: slab.cells[name][block.rows] for name in chooser.reads}
        chosen = chooser.choose(stream, unit, block.number, block.slots, cells, step.rate)
    if step.patterns is None:
        return chosen
    if _along(step, slab):
        places = to_uniform(row_words(stream, step, "pattern", "", block, slab))
    else:
        places = stream.generator("pattern", "", block.number).random(BLOCK)[block.slots]
    return chosen & step.patterns.mask(column, places)


def site_chances(plan: Plan, stream: Stream, step: StepPlan, column: str, block: Block, slab: Slab) -> Floats:
    """Say how likely each site in the text of a row is struck, for the rows of a block."""
    chooser = plan.chooser(step, column)
    if _along(step, slab):
        return slab.bursts[step.id, step.unit(column)][block.rows].astype(np.float64)
    if chooser is None:
        return np.full(block.slots.stop - block.slots.start, step.rate)
    cells = {name: slab.cells[name][block.rows] for name in chooser.reads}
    return chooser.chances(stream, column, block.number, block.slots, cells, step.rate)


def row_words(stream: Stream, step: StepPlan, purpose: Purpose, column: str, block: Block, slab: Slab) -> Words:
    """Return a random word for each row of a block: by its place in the file, or in its series, as the step goes."""
    if not _along(step, slab):
        return raw_words(stream.generator(purpose, column, block.number), BLOCK)[block.slots]
    assert slab.places is not None
    salt = raw_words(stream.generator(purpose, column, 0), 1)[0]
    return scramble(slab.places[block.rows] ^ salt, 0)


def value_draws(stream: Stream, step: StepPlan, column: str, block: Block, rows: Index, slab: Slab) -> Any:
    """Return the random numbers for new values of some rows of a block, addressed as in `row_words`."""
    if not _along(step, slab):
        return BlockDraws(stream.generator("value", column, block.number), rows + block.slots.start)
    return CounterDraws(row_words(stream, step, "value", column, block, slab)[rows])


def _along(step: StepPlan, slab: Slab) -> bool:
    """Whether a step strikes runs of rows of series, so that a row's place there stands for its place in the file."""
    return any(name == step.id for name, _ in slab.bursts)
