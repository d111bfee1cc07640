"""A run, from recipe and input to output and manifest."""

from noisecli.run.augment import Outcome, augment, replay
from noisecli.run.execute import Prepared
from noisecli.run.inspect import inspect
from noisecli.run.memory import corrupt
from noisecli.run.outside import settle_files

__all__ = ["Outcome", "Prepared", "augment", "corrupt", "inspect", "replay", "settle_files"]
