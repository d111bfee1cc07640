"""Which rows of a slab a step may strike, and which of their cells it chooses."""

import numpy as np

from noisecli.engine.slab import Block, Slab
from noisecli.mechanism import strike_cells
from noisecli.plan import Plan, StepPlan
from noisecli.quota import cell_keys
from noisecli.streams import Floats, Mask, Stream


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
    if (step.id, unit) in slab.bursts:
        chosen = slab.bursts[step.id, unit][block.rows]
    elif chooser is None:
        chosen = strike_cells(stream, unit, block.number, step.rate)[block.slots]
    else:
        cells = {name: slab.cells[name][block.rows] for name in chooser.reads}
        chosen = chooser.choose(stream, unit, block.number, block.slots, cells, step.rate)
    return chosen if step.patterns is None else chosen & step.patterns.mask(stream, column, block.number, block.slots)


def site_chances(plan: Plan, stream: Stream, step: StepPlan, column: str, block: Block, slab: Slab) -> Floats:
    """Say how likely each site in the text of a row is struck, for the rows of a block."""
    chooser = plan.chooser(step, column)
    if (step.id, step.unit(column)) in slab.bursts:
        return slab.bursts[step.id, step.unit(column)][block.rows].astype(np.float64)
    if chooser is None:
        return np.full(block.slots.stop - block.slots.start, step.rate)
    cells = {name: slab.cells[name][block.rows] for name in chooser.reads}
    return chooser.chances(stream, column, block.number, block.slots, cells, step.rate)
