"""Which configurations a sweep runs."""

from tracker.sweeps.grid.config_iter import ConfigIter

__all__ = ["ConfigIter"]
