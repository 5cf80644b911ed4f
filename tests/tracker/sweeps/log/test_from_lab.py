"""A lab's sweep as a log."""

import hashlib
import math
from datetime import UTC, datetime, timedelta

import pytest

from tracker import Lab
from tracker.database.kinds import RunStatus
from tracker.database.tables import Run, Sweep, Trial
from tracker.database.types import now
from tracker.errors import NotFoundError
from tracker.pipelines.identity import canonical
from tracker.sweeps import ConfigIter, ExperimentLog

ENDED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def lab(lab_root):
    with Lab.open(lab_root) as lab:
        yield lab


def store_sweep(lab, configs, trials, name="digits"):
    """A sweep as its workers would leave it: a trial for each configuration."""
    runs = []
    for place, trial in enumerate(trials):
        run_id = None
        if "log" in trial:
            with lab.run(f"{name}/{place}", params=configs[place]) as run:
                for step, metrics in enumerate(trial["log"]):
                    run.log(metrics, step=step)
            run_id = run.id
        runs.append(run_id)
    with lab.database.write() as session:
        sweep = Sweep(
            name=name,
            experiment_id=session.query(Run.experiment_id).limit(1).scalar(),
            target="module:function",
            grid={
                "static": configs.static_configs.to_dict(),
                "fields": configs.grid_fields,
                "grid": configs.grid,
            },
            grid_hash="",
            created=now(),
        )
        session.add(sweep)
        session.flush()
        for place, (trial, run_id) in enumerate(zip(trials, runs, strict=True)):
            config = configs[place].to_dict() | trial.get("config", {})
            values = {key: trial[key] for key in trial if key not in {"log", "config"}}
            row = Trial(
                sweep_id=sweep.id,
                position=place,
                config=config,
                config_hash=hashlib.sha256(canonical(config).encode()).hexdigest(),
                run_id=run_id,
                **values,
            )
            session.add(row)


CONFIGS = ConfigIter(
    {"model": "mlp", "grid": [{"lr": [1, 0.1], "sizes": [[1, 2], None]}, {"lr": ["x"]}]}
)
TRIALS = [
    {
        "status": RunStatus.FINISHED,
        "log": [{"loss": 0.5}, {"loss": math.nan}, {"loss": 0.25, "acc": 1}],
        "result": {"loss": 0.25, "acc": 1, "note": "fine", "steps": 3},
        "started": ENDED - timedelta(hours=1),
        "ended": ENDED,
        "seconds": 61.5,
    },
    {"status": RunStatus.FAILED, "log": [{"loss": 0.75}], "ended": ENDED, "seconds": 1.0},
    {"status": RunStatus.RUNNING, "log": [], "started": ENDED},
    {"status": RunStatus.QUEUED},
    {"status": RunStatus.FINISHED, "result": {"lr": 3, "status": "odd", "curve": [1, 2]}},
]


def test_a_sweep_becomes_a_log_with_every_trial(lab):
    store_sweep(lab, CONFIGS, TRIALS)
    log = ExperimentLog.from_sweep(lab, "digits")

    assert log.static_configs == {"model": "mlp"}
    assert log.grid_fields == ["lr", "sizes"]
    assert [row.config for row in log] == list(CONFIGS.grid_iter)
    assert log.metric_fields[:4] == ["datetime", "duration", "commit_hash", "status"]
    first, second, third, fourth, fifth = (row.metrics for row in log)
    commit = first.pop("commit_hash", None)
    assert repr(first) == repr(
        {
            "datetime": ENDED,
            "duration": timedelta(seconds=61.5),
            "status": "finished",
            "acc": 1,
            "loss": [0.5, math.nan, 0.25],
            "note": "fine",
            "steps": 3,
        }
    )
    assert (second["loss"], second["status"]) == ([0.75], "failed")
    assert second.get("commit_hash") == commit
    assert {key: third[key] for key in third if key != "commit_hash"} == {
        "datetime": ENDED,
        "status": "running",
    }
    assert fourth == {"status": "queued"}
    assert fifth == {
        "status": "finished",
        "metrics.lr": 3,
        "metrics.status": "odd",
        "curve": [1, 2],
    }


def test_the_commit_is_the_one_it_was_last_worked_on_with(lab, monkeypatch):
    store_sweep(lab, CONFIGS, TRIALS[:1])
    with lab.database.write() as session:
        session.connection().exec_driver_sql("UPDATE environments SET git_commit = 'abc'")

    assert ExperimentLog.from_sweep(lab, "digits").rows[0].metrics["commit_hash"] == "abc"


def test_without_curves_there_are_last_values_alone(lab):
    store_sweep(lab, CONFIGS, TRIALS)
    log = ExperimentLog.from_sweep(lab, "digits", curves=False)

    assert [row.metrics.get("loss") for row in log] == [0.25, 0.75, None, None, None]


def test_a_run_in_the_trash_is_no_trial_s(lab):
    store_sweep(lab, CONFIGS, TRIALS[:2])
    with lab.database.write() as session:
        session.query(Run).filter(Run.name == "digits/0").update({"deleted": now()})

    log = ExperimentLog.from_sweep(lab, "digits")
    assert log.rows[0].metrics["loss"] == 0.25
    assert log.rows[1].metrics["loss"] == 0.75


def test_a_static_value_that_not_all_trials_have_is_a_field(lab):
    queued = {"status": RunStatus.QUEUED}
    trials = [queued, queued | {"config": {"model": "cnn"}}]
    store_sweep(lab, CONFIGS, [queued | {"log": []}])
    store_sweep(lab, CONFIGS, trials, name="grown")
    log = ExperimentLog.from_sweep(lab, "grown")

    assert log.static_configs == {}
    assert log.grid_fields == ["lr", "sizes", "model"]
    assert [row.config.model for row in log] == ["mlp", "cnn"]


def test_it_survives_a_file(lab, tmp_path):
    store_sweep(lab, CONFIGS, TRIALS)
    log = ExperimentLog.from_sweep(lab, "digits")
    log.to_tsv(tmp_path / "digits.tsv")

    again = ExperimentLog.from_tsv(tmp_path / "digits.tsv")
    # `metrics.status` and the like stand in the order of the file's columns.
    assert [sorted(map(repr, row.metrics.items())) for row in again] == [
        sorted(map(repr, row.metrics.items())) for row in log
    ]
    assert [config in again for config in CONFIGS] == [True] * len(CONFIGS)


def test_an_unknown_sweep_suggests_the_nearest(lab):
    store_sweep(lab, CONFIGS, [{"status": RunStatus.QUEUED, "log": []}])

    with pytest.raises(NotFoundError, match=r"no sweep named 'digit'. Did you mean 'digits'"):
        ExperimentLog.from_sweep(lab, "digit")
