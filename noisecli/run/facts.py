"""Which facts a run needs, found in the order in which they depend on each other."""

from collections.abc import Callable
from dataclasses import replace

from noisecli.errors import DataProblem
from noisecli.survey import Request, Survey

Look = Callable[[Request], Survey]
"""One pass over the clean data."""


def find_facts(wanted: Request, look: Look) -> Survey:
    """Find out what is asked for, in one pass, or two where a condition has to know types first."""
    if any(quota.where for quota in wanted.quotas):
        asked = {name for quota in wanted.quotas if quota.where for name in quota.where.columns}
        types = {name: frozenset[str]() for name in wanted.columns if name in asked or name == wanted.split}
        found = look(replace(wanted, columns=types, quotas=()))
        wanted = replace(wanted, settled={name: column.column() for name, column in found.columns.items()})
    found = look(wanted)
    if wanted.split and found.training == 0:
        raise DataProblem(f"no row is training data: column {wanted.split!r} never says train")
    return found
