"""What a preview is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noisecli.parameters import plain
from noisecli.recipe import Override, Recipe
from noisecli.run.execute import Progress


@dataclass(frozen=True)
class Asked:
    """What a preview is asked for, as `noisecli.run.augment` is."""

    source: Path
    recipe: str | Path
    checked: Recipe
    """The recipe, loaded with the following two."""
    overrides: Sequence[Override] = ()
    severity: int | None = None
    allow_code: bool = False
    exact: bool = False
    """Whether facts are surveyed over the whole input."""
    progress: Progress | None = None
    """Told how far a survey of the whole input is."""

    @property
    def seed_drawn(self) -> bool:
        """Whether nobody gave a seed."""
        return plain(self.checked.source.data.get("seed")) is None

    @property
    def settled(self) -> list[Override]:
        """The overrides, with the seed that was drawn, and one noisy copy."""
        alone = [("copies", 1, "preview"), ("keep_original", False, "preview"), ("layout", "copies", "preview")]
        return [*self.overrides, ("seed", self.checked.seed, "preview"), *alone]
