"""noisecli: controlled, reproducible damage to datasets."""

__version__ = "0.1.0"
