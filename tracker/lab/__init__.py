"""The Python API: one class, with a file for each group of what can be done in a lab."""

from tracker.lab.lab import Lab

__all__ = ["Lab"]
