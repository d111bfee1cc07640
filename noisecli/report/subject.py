"""What a report is about: an output, the clean data, what was recorded of the run, and what really differs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from noisecli.compare.gather import compare_sides
from noisecli.compare.model import ImagesComparison, TableComparison
from noisecli.compare.sides import Sides, open_sides, swapped
from noisecli.manifest import SUFFIX, Manifest, check, verify
from noisecli.report.rates import Rate, rates


@dataclass(frozen=True)
class Subject:
    """An output beside its input."""

    clean: str
    """Name of the input."""
    noisy: str
    """Name of the output."""
    copy: int | None
    """Which copy is compared."""
    sweep: str | None
    """Which variant of a sweep."""
    manifest: Manifest | None
    """What the run recorded; None: someone else made the noise."""
    faults: tuple[str, ...]
    """What is not as the manifest says."""
    comparison: TableComparison | ImagesComparison
    images: Mapping[str, tuple[Path, Path]]
    """Where both sides of each pair of images stand."""
    swapped: bool = False
    """Whether the clean side is a copy of the noisy one, by its manifest."""

    @property
    def verified(self) -> bool | None:
        """Whether everything is as the manifest says; None without one."""
        return None if self.manifest is None else not self.faults

    @cached_property
    def rates(self) -> list[Rate]:
        """Asked and realised rates of each step and column."""
        return [] if self.manifest is None else rates(self.manifest, self.sweep)

    @property
    def warnings(self) -> list[str]:
        """What the run warned of, and what could not be compared."""
        found = [] if self.manifest is None else list(self.manifest.warnings)
        found += [swapped(Path(self.clean), Path(self.noisy))] if self.swapped else []
        if isinstance(self.comparison, ImagesComparison):
            found += [f"{path}: an image of one side only" for path in self.comparison.missing]
            pairs = (pair for pair in self.comparison.pairs if not pair.unreadable)
            sizes = [pair.path for pair in pairs if math.isnan(pair.psnr)]
            return found + [f"{path}: has another size or other channels than before" for path in sizes]
        found += [self.comparison.unaligned] if self.comparison.unaligned else []
        unread = self.comparison.unread or {}
        return found + [f"column {name!r} was not compared: {why}" for name, why in unread.items()]


def gather(output: Path, source: Path, copy: int | None = None, key: str | None = None) -> Subject:
    """Compare an output with its input, and read what was recorded of the run.

    Args:
        output: an output of noisecli, one result or copy of it, or data that someone else made noisy.
        source: the clean data.
        copy: which copy; None: the first noisy one.
        key: a column that tells the clean rows apart; None: the truth file, or the place of a row does.

    Raises:
        NoiseError: what is there cannot be read, or not compared.
    """
    with TemporaryDirectory(prefix="noisecli-") as space:
        sides = open_sides(source, output, copy, Path(space))
        found = compare_sides(sides, key, Path(space))
    images = {}
    if isinstance(found, ImagesComparison):
        images = {
            pair.noisy.path.name if pair.name == "." else pair.name: (pair.clean.path, pair.noisy.path)
            for pair in sides.pairs
        }
    return Subject(
        clean=_name(source),
        noisy=sides.sweep or _name(output),
        copy=sides.copy,
        sweep=sides.sweep,
        manifest=sides.manifest,
        faults=tuple(_faults(sides, source)),
        comparison=found,
        images=images,
        swapped=sides.swapped,
    )


def _name(path: Path) -> str:
    """Name a file or folder without saying where it stands."""
    return (path.name or path.resolve().name).removesuffix(SUFFIX)


def _faults(sides: Sides, source: Path) -> list[str]:
    """Return what is not as the manifest says, by paths that do not say where the output stands."""
    if sides.manifest is None or sides.output is None:
        return []
    faults = [fault.removeprefix(f"{sides.output.parent}/") for fault in verify(sides.output)[1]]
    if source.is_dir() == (sides.manifest.inputs[0].path != "."):  # else it is one of several inputs
        read = check(sides.manifest.inputs, source)
        faults += [f"the input {_name(source)}{fault.removeprefix(str(source))}" for fault in read]
    return faults
