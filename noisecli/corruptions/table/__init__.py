"""Ops on tables."""
