"""Faults of scales, as ops for noisecli."""

from noisecli.columns import Column
from noisecli.corruption import NumberCorruption, register
from noisecli.streams import BlockDraws, Floats


@register
class TareError(NumberCorruption):
    """Add what was left on the scale: up to `most`, all amounts alike.

    Source: Mettler-Toledo, "Weighing the Right Way", on taring.

    Example:
        {op: tare_error, columns: [weight], most: 2.5, rate: 0.1}
    """

    default_rate = 0.1
    severities = ({"most": 0.5}, {"most": 1}, {"most": 2}, {"most": 4}, {"most": 8})

    most: float = 1.0
    """The largest amount, in the column's unit."""

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        return values + self.most * draws.uniform()
