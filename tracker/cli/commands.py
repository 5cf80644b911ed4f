"""Which commands there are, and where: what `--help` knows without importing any of them."""

from tracker.cli.lazy import Place

_PIPELINES, _RECORD, _LAB = "Pipelines", "The record", "The lab"

COMMANDS = (Place("init", "tracker.cli.labs", "init", "Make a lab.", _LAB),)
