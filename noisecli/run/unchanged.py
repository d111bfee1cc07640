"""Outputs that come out as they stand already keep their modification times, so that Make sees no change."""

import filecmp
import os
from collections.abc import Mapping
from pathlib import Path

from noisecli.manifest import BESIDE, beside


def keep_times(made: Mapping[str, Path], output: Path) -> bool:
    """Give finished files that equal those they shall replace the modification times of those.

    Args:
        made: finished files and folders, by how the names that they will have beside the output end.
        output: where the output will stand.

    Returns:
        whether everything is equal, so that nothing has to be replaced.
    """
    equal = [_keep(new, beside(output, suffix)) for suffix, new in made.items()]
    left = [suffix for suffix in BESIDE if suffix not in made and beside(output, suffix).exists()]
    return all(equal) and not left


def _keep(new: Path, standing: Path) -> bool:
    if new.is_dir():
        parts = _parts(new)
        equal = [_keep(new / part, standing / part) for part in parts if (new / part).is_file()]
        return all(equal) and standing.is_dir() and parts == _parts(standing)
    if not standing.is_file() or not filecmp.cmp(new, standing, shallow=False):
        return False
    times = standing.stat()
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True


def _parts(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}
