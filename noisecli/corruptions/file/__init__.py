"""Dirt in CSV files: what makes a file hard to read, whatever the data in it."""
