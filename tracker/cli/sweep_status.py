"""How a sweep stands, for people and for programs."""

from collections import Counter
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
    running, failed = (_pointed(facts[part], facts["fields"]) for part in ("running", "failed"))
    yield from _section("running", running, "trial", "point", "started", "worker")
    yield from _section("not finished", failed, "trial", "point", "status", "reason")


def _pointed(rows: list[dict[str, Any]], fields: list[str]) -> list[dict[str, Any]]:
    """The trials, each with what its configuration has of its own."""
    return [row | {"point": point_for_people(row["config"], fields)} for row in rows]


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


def point_for_people(config: dict[str, Any], fields: list[str], between: str = " ") -> str:
    """What a trial's configuration has of its own: `lr=0.1 seed=3`."""
    own = [field for field in fields if field in config]
    return between.join(f"{printable(field)}={for_people(config[field])}" for field in own)


def how_they_stand(trials: "list[TrialFacts]") -> str:
    """`2 finished, 1 queued already`: why nothing is to be done with them."""
    words = Counter(_standing(trial) for trial in trials)
    return ", ".join(f"{count} {standing}" for standing, count in words.items()) or "there are none"


def _standing(trial: "TrialFacts") -> str:
    if trial.waiting:
        return "queued already"
    return "cancelled" if trial.failure == "cancelled" else str(trial.status)


def _needs_a_look(trial: "TrialFacts") -> bool:
    return trial.status in ("failed", "lost", "stopped") and not trial.waiting
