"""What every op is: a frozen set of parameters with a name, a default rate and severities."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from noisecli.parameters import Parameters

Target = Literal["table", "images"]
Preset = Mapping[str, Any]
"""One severity: values for some of an op's parameters, and perhaps the step's `rate`."""


class Corruption(Parameters):
    """Base of every op."""

    name: ClassVar[str]
    """What recipes call it: the class name in snake case."""
    target: ClassVar[Target]
    package: ClassVar[str | None] = None
    """Package that a plug-in's op comes with; None: it is noisecli's own."""
    default_rate: ClassVar[float] = 1.0
    """Share struck when a step says nothing: 1 for noise, 0.1 for faults."""
    severities: ClassVar[tuple[Preset, ...]] = ()
    """Five presets, weak to strong; empty where strength has no natural order."""
    exact_by_default: ClassVar[bool] = False
    """Whether a step strikes an exact number of cells when it says nothing."""

    def code(self) -> str | None:
        """Function of the user's own that the op runs, as "module:name"; None: only noisecli's own code runs."""
        return None

    def packages(self) -> tuple[str, ...]:
        """Packages that the op needs besides those of noisecli; the manifest records their versions."""
        return ()

    def files(self) -> Mapping[str, str]:
        """Files that the op reads, by the parameter that names them; the manifest records what is in them."""
        return {}

    def read_file(self, parameter: str, name: str) -> None:
        """Read the file that a parameter names, even if it was read before; raise RecipeProblem where it is not what
        it should be."""

    @classmethod
    def preset(cls, severity: int) -> Preset:
        """What a severity sets; 0 is clean."""
        return {"rate": 0.0} if severity == 0 else cls.severities[severity - 1]

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]
