"""Everything about one pipeline or run, as text: what `show` prints."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from tracker.cli.cells import counted, for_people, printable
from tracker.cli.output import plain_lines, records_table, terminal_width

Details = Mapping[str, Any]

STATUS_COLOURS = {
    "running": "cyan",
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
    "lost": "magenta",
}

_METRICS = ("metric", "phase", "goal", "best", "best_epoch", "last", "last_step", "points")
_CHECKPOINTS = ("name", "kind", "epoch", "step", "size", "metric", "value", "created")
_FILES = ("name", "media_type", "size", "path")
_INDENT = "  "
# Of a hash, enough to tell it from others.
SHOWN_OF_A_HASH = 12
_SESSIONS = ("host", "pid", "started", "ended", "exit", "command")


def describe_pipeline(pipeline: Details, run: Details | None) -> Iterator[str]:
    """The pipeline and its current run, line by line."""
    yield _heading(pipeline["name"], "pipeline")
    yield from _pairs(pipeline, "experiment", "recipe", "created", "archived", "tags", "note")
    yield from _section("Configuration", _settings(pipeline["configuration"]))
    if run is None:
        yield ""
        yield f"Never trained: labkeeper train {pipeline['name']}"
        return
    yield ""
    yield from describe_run(run, parameters=False)
    others = [row for row in pipeline["runs"] if not row["current"]]
    yield from _section("Earlier runs", _table(others, ("name", "status", "created")))


def describe_run(run: Details, *, parameters: bool = True) -> Iterator[str]:
    """The run, line by line; without its parameters where the configuration says them."""
    yield _heading(run["name"], f"run {run['uuid'][:8]}", run["status"])
    yield from _pairs(run, "experiment", "pipeline", "reason", "seed", "created", "started")
    yield from _pairs(run, "ended", "phase", "epoch", "batch", "tags", "note")
    if parameters:
        yield from _section("Parameters", _settings(run["parameters"]))
    yield from _section("Metrics", _table(run["metrics"], _METRICS))
    yield from _section("Phases", _phase_lines(run["phases"]))
    yield from _section("Checkpoints", _table(_sized(run["checkpoints"]), _CHECKPOINTS))
    yield from _section("Artifacts", _table(_sized(run["artifacts"]), _FILES))
    yield from _section("Data", _table(_hashed(run["data"]), ("name", "rows", "fingerprint")))
    yield from _section("Sessions", _table(_called(run["sessions"]), _SESSIONS))
    yield from _section("Environment", _environment_lines(run["environment"]))
    if run["traceback"]:
        yield from _section("Traceback", map(printable, run["traceback"].splitlines()))


def bytes_for_people(size: int) -> str:
    """`512 B`, `1.2 KB`, `34.5 MB`: powers of 1000, as `ls --si` has them."""
    amount = float(size)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def duration_for_people(length: timedelta) -> str:
    """`0.4 s`, `3 min 20 s`, `2 h 05 min`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _heading(name: str, kind: str, status: Any = None) -> str:
    words = [click.style(printable(name), bold=True), kind]
    if status is not None:
        words.append(_coloured(for_people(status)))
    return "  ".join(words)


def _coloured(status: str) -> str:
    return click.style(status, fg=STATUS_COLOURS.get(status))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Nothing at all where there are no lines."""
    lines = list(lines)
    if lines:
        yield ""
        yield click.style(title, bold=True)
        yield from (f"{_INDENT}{line}" for line in lines)


def _pairs(details: Details, *names: str) -> Iterator[str]:
    known = {name: details[name] for name in names if details[name] not in (None, [], "")}
    yield from (f"  {name:<12}{for_people(value)}" for name, value in known.items())


def _settings(settings: Details) -> Iterator[str]:
    """Nested settings by dotted key, their values in one column."""
    leaves = dict(_leaves(settings))
    width = max(map(len, leaves), default=0)
    yield from (f"{printable(key):<{width}}  {for_people(value)}" for key, value in leaves.items())


def _leaves(settings: Details, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _table(rows: Sequence[Details], columns: Sequence[str]) -> Iterable[str]:
    """The columns that have anything in them."""
    used = [name for name in columns if any(row[name] is not None for row in rows)]
    width = terminal_width()
    within = None if width is None else width - len(_INDENT)
    return plain_lines(records_table(rows, used), width=within) if used else ()


def _sized(files: Iterable[Details]) -> list[Details]:
    return [{**file, "size": bytes_for_people(file["bytes"])} for file in files]


def _called(sessions: Iterable[Details]) -> list[Details]:
    """Of a command's program only the name: where Python lies, the environment says."""
    return [{**row, "command": row["command"] and _by_name(row["command"])} for row in sessions]


def _by_name(command: str) -> str:
    program, space, rest = command.partition(" ")
    return f"{program.rpartition('/')[2]}{space}{rest}"


def _hashed(data: Iterable[Details]) -> list[Details]:
    return [{**row, "fingerprint": row["fingerprint"][:SHOWN_OF_A_HASH]} for row in data]


def _phase_lines(phases: Sequence[Details], indent: str = "") -> Iterator[str]:
    for place, phase in enumerate(phases, start=1):
        last = place == len(phases)
        yield f"{indent}{'└─' if last else '├─'} {_phase_line(phase)}"
        yield from _phase_lines(phase["phases"], indent + ("   " if last else "│  "))


def _phase_line(phase: Details) -> str:
    words = [printable(phase["label"]), for_people(phase["kind"]), _coloured(phase["status"].value)]
    if phase["epochs"] is not None:
        words.append(counted(phase["epochs"], "epoch"))
    if phase["ended"] is not None:
        words.append(duration_for_people(phase["ended"] - phase["started"]))
    return "  ".join(words)


def _environment_lines(environment: Details | None) -> Iterator[str]:
    if environment is None:
        return
    changed = " with uncommitted changes" if environment["patch"] else ""
    commit = environment["git_commit"]
    shown = {
        "commit": f"{commit[:12]}{changed}" if commit else None,
        "branch": environment["git_branch"],
        **{name: environment[name] for name in ("python", "host", "platform", "cpu", "gpu")},
        "packages": f"{len(environment['packages'])} installed",
    }
    for name, value in shown.items():
        if value is not None:
            yield f"{name:<10}{for_people(value)}"
