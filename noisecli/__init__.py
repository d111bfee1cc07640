"""noisecli: controlled, reproducible damage to datasets.

The Python door: `noisecli.augment`, `noisecli.replay` and `noisecli.verify` do what the commands of the same name do;
`noisecli.corrupt` does it to tables and images in memory, and warns with `noisecli.NoiseWarning`. What a user can cause
is a `noisecli.NoiseError`. They are imported when first asked for, because numpy and pyarrow take their time.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noisecli.errors import NoiseError as NoiseError
    from noisecli.errors import NoiseWarning as NoiseWarning
    from noisecli.manifest import verify as verify
    from noisecli.run.augment import augment as augment
    from noisecli.run.augment import replay as replay
    from noisecli.run.memory import corrupt as corrupt

__all__ = ["NoiseError", "NoiseWarning", "__version__", "augment", "corrupt", "replay", "verify"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "verify":
        from noisecli import manifest

        return manifest.verify
    if name in ("NoiseError", "NoiseWarning"):
        from noisecli import errors

        return getattr(errors, name)
    if name in ("augment", "corrupt", "replay"):
        from noisecli import run

        return getattr(run, name)
    raise AttributeError(f"module 'noisecli' has no attribute {name!r}")
