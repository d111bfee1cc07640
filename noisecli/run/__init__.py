"""A run, from recipe and input to output and manifest."""

from noisecli.run.augment import Outcome, augment, inspect, replay
from noisecli.run.execute import Prepared

__all__ = ["Outcome", "Prepared", "augment", "inspect", "replay"]
