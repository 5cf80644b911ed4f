"""Which commands there are, and where: what `--help` knows without importing any of them."""

from tracker.cli.lazy import Place

_PIPELINES, _RECORD, _LAB = "Pipelines", "The record", "The lab"

COMMANDS = (
    Place("list", "tracker.cli.listings", "list_", "List the pipelines.", _RECORD),
    Place("runs", "tracker.cli.listings", "runs", "List the runs.", _RECORD),
    Place("show", "tracker.cli.showing", "show", "Show everything about one.", _RECORD),
    Place("history", "tracker.cli.histories", "history", "Show metric histories.", _RECORD),
    Place("checkpoints", "tracker.cli.showing", "checkpoints", "List what.", _RECORD),
    Place("init", "tracker.cli.labs", "init", "Make a lab.", _LAB),
)
