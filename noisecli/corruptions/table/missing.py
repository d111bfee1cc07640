"""Missing values."""

import pyarrow as pa

from noisecli.columns import Column
from noisecli.corruption import CellCorruption, register
from noisecli.streams import BlockDraws


@register
class Missing(CellCorruption):
    """Make cells missing: null in Parquet, the column's commonest null spelling in CSV.

    Source: Rubin 1976, "Inference and Missing Data".

    Example:
        {op: missing, columns: [cabin], rate: 0.15}
    """

    default_rate = 0.1
    severities = ({"rate": 0.05}, {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.35}, {"rate": 0.5})

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        return pa.nulls(len(values), values.type)
