"""Starter recipes: look at a dataset and write a first recipe for it, weak and commented."""

from noisecli.starter.start import SCHEMA, Starter, start

__all__ = ["SCHEMA", "Starter", "start"]
