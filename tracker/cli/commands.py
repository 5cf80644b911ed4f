"""Which commands there are, and where: what `--help` knows without importing any of them."""

from tracker.cli.lazy import Place

# Section, name, module and attribute, and the words of the help: a test holds those against
# each command's own.
_TABLE = {
    "Pipelines": {
        "create": (
            "training:create",
            "Register a pipeline: a configuration that never changes and can be trained.",
        ),
        "train": (
            "training:train",
            "Train pipelines to a total of epochs, each from where it stands.",
        ),
        "stop": (
            "training:stop",
            "Ask pipelines or runs to stop after the batch at hand, with a checkpoint.",
        ),
        "resume": (
            "training:resume",
            "Go on with stopped, failed or lost pipelines from their last good checkpoint.",
        ),
    },
    "The record": {
        "list": (
            "listings:list_",
            "List the pipelines: status, progress, best and last metrics.",
        ),
        "runs": ("listings:runs", "List the runs: of pipelines, and of any code that logs."),
        "show": ("showing:show", "Show everything about a pipeline or a run."),
        "diff": ("comparing:diff", "Show only what differs between pipelines or runs."),
        "matching": (
            "comparing:matching",
            "Show what shares which values with a pipeline or a run.",
        ),
        "group": ("grouping:group", "Group the runs by values: mean, std, min, max of metrics."),
        "history": ("histories:history", "Show the metric histories of pipelines and runs."),
        "plot": (
            "plotting:plot",
            "Draw metrics of many runs: curves, bars, heatmaps, scatters, boxes.",
        ),
        "report": (
            "reporting:report",
            "Write one HTML page about runs: a table, what differs, curves.",
        ),
        "checkpoints": (
            "showing:checkpoints",
            "List what a pipeline or a run can go back to, newest first.",
        ),
        "tag": (
            "notes:tag",
            "Put tags on a pipeline or a run, or on all that a filter describes.",
        ),
        "note": (
            "notes:note",
            "Replace the note on a pipeline or a run; an empty one takes it away.",
        ),
        "rename": ("notes:rename", "Give a pipeline or a run another name."),
        "mark": (
            "notes:mark",
            "Mark pipelines or runs as favourites: with the tag `favourite`.",
        ),
        "unmark": ("notes:unmark", "Take pipelines or runs out of the favourites."),
        "goal": ("labs:goal", "Say whether a metric is better low (min) or high (max)."),
    },
    "Sweeps": {
        "sweep": (
            "sweeping:sweep",
            "Try every configuration of a grid, with any number of workers.",
        ),
    },
    "Order": {
        "archive": (
            "keeping:archive",
            "Take pipelines or runs out of lists, pictures and completion.",
        ),
        "unarchive": ("keeping:unarchive", "Bring archived pipelines or runs back."),
        "delete": ("keeping:delete", "Put pipelines or runs into the trash."),
        "restore": ("keeping:restore", "Take pipelines or runs out of the trash."),
        "purge": (
            "keeping:purge",
            "Delete what is in the trash for good, and give its space back.",
        ),
        "pin": ("checkpoints:pin", "Pin checkpoints, so that they stay whatever else goes."),
        "unpin": (
            "checkpoints:unpin",
            "Take the pins off checkpoints, or off all of a pipeline or a run.",
        ),
        "prune": (
            "checkpoints:prune",
            "Remove the checkpoints that no rule keeps, and give their space back.",
        ),
        "verify": (
            "checkpoints:verify",
            "Compare files with their hashes, and name those that are damaged or missing.",
        ),
    },
    "The lab": {
        "transfer": (
            "transferring:transfer",
            "Take pipelines, runs and sweeps from lab to lab, in one file.",
        ),
        "init": ("labs:init", "Make a lab, here or in DIRECTORY."),
        "doctor": ("labs:doctor", "Check that the lab's database and files agree."),
        "backup": ("labs:backup", "Copy the whole lab while it is in use."),
        "db": ("databases:db", "Look after the database file."),
    },
}

COMMANDS = tuple(
    Place(name, f"tracker.cli.{where.partition(':')[0]}", where.partition(":")[2], words, section)
    for section, commands in _TABLE.items()
    for name, (where, words) in commands.items()
)
