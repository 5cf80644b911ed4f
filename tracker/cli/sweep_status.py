"""How a sweep stands, for people and for programs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tracker.cli.cells import counted, for_people, printable
from tracker.cli.describing import duration_for_people

if TYPE_CHECKING:
    from tracker.registry.sweeps.trials import TrialFacts
    from tracker.sweeps import Sweep

# So many failures are shown; `sweep results --status failed` shows all.
SHOWN = 10


def sweep_facts(sweep: "Sweep") -> dict[str, Any]:
    """Everything about a sweep that its status tells."""
    facts = sweep.facts()
    trials = sweep.trials()
    done = [trial.seconds for trial in trials if trial.status == "finished" and trial.seconds]
    return {
        "name": sweep.name,
        "target": facts.target,
        "fields": sweep.fields,
        "trials": len(trials),
        "counts": {str(status): count for status, count in facts.counts.items()},
        "waiting": sum(trial.waiting for trial in trials),
        "paused": facts.paused,
        "seconds_per_trial": sum(done) / len(done) if done else None,
        "workers": sweep.crew(),
        "running": [_brief(trial, "started", "worker") for trial in trials if trial.worker],
        "failed": [_brief(trial, "failure", "reason") for trial in trials if _needs_a_look(trial)],
    }


def describe_sweep(facts: dict[str, Any]) -> Iterator[str]:
    """The same as lines."""
    counts = ", ".join(f"{count} {status}" for status, count in facts["counts"].items())
    yield f"{printable(facts['name'])}  {facts['target']}"
    yield f"{counted(facts['trials'], 'trial')}: {counts or 'none'}"
    if facts["paused"] is not None:
        yield f"paused since {for_people(facts['paused'])}"
    if facts["seconds_per_trial"] is not None:
        took = duration_for_people(timedelta(seconds=facts["seconds_per_trial"]))
        yield f"a trial takes {took} on average"
    yield from _section("workers", facts["workers"], "process", "host", "device", "started")
    yield from _section("running", facts["running"], "trial", "config", "started", "worker")
    yield from _section("not finished", facts["failed"], "trial", "config", "status", "reason")


def _section(title: str, rows: list[dict[str, Any]], *columns: str) -> Iterator[str]:
    if not rows:
        return
    from tracker.cli.output import plain_lines, records_table

    yield ""
    yield title
    for line in plain_lines(records_table(rows[:SHOWN], columns)):
        yield f"  {line}"
    if len(rows) > SHOWN:
        yield f"  and {len(rows) - SHOWN} more"


def _brief(trial: "TrialFacts", *more: str) -> dict[str, Any]:
    facts = {"trial": trial.number, "config": trial.config, "status": str(trial.status)}
    return facts | {"attempts": trial.attempts} | {name: getattr(trial, name) for name in more}


def _needs_a_look(trial: "TrialFacts") -> bool:
    return trial.status in ("failed", "lost", "stopped") and not trial.waiting
