"""One page about many runs: a table, what differs, curves. Readable anywhere, without a network."""

from tracker.reports.contents import Report, gather
from tracker.reports.page import page

__all__ = ["Report", "gather", "page"]
