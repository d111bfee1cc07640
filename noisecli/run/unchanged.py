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
    if new.is_dir():  # what stands there and is not made again, the manifest tells of
        equal = [_keep(part, standing / part.name) for part in new.iterdir()]
        return all(equal)
    if not standing.is_file() or not filecmp.cmp(new, standing, shallow=False):
        return False
    times = standing.stat()
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True
