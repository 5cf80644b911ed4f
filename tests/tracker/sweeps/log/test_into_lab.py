"""A log as a lab's sweep, and as a log again."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tracker import Lab
from tracker.errors import InvalidError, TakenError
from tracker.sweeps import ExperimentLog

MALET = Path(__file__).parent / "malet.tsv"
ENDED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def lab(lab_root):
    with Lab.open(lab_root) as lab:
        yield lab


@pytest.fixture
def log():
    log = ExperimentLog.from_fields(["lr", "sizes"], [], {"model": {"depth": 3}})
    log.add_result(
        {"lr": 0.1, "sizes": [1, 2]},
        datetime=ENDED,
        duration=timedelta(seconds=61.5),
        commit_hash="abc",
        status="finished",
        loss=[0.5, math.nan, 0.25],
        accuracy=1,
        note="fine",
    )
    log.add_result({"lr": 0.1, "sizes": []}, status="failed", loss=[0.75, 0.5])
    log.add_result({"lr": 1}, status="queued")
    return log


def test_rows_become_trials_with_runs(lab, log):
    sweep = log.to_lab(lab, "old", experiment="digits")
    trials = sweep.trials()

    assert [str(trial.status) for trial in trials] == ["finished", "failed", "queued"]
    assert trials[0].config == {"model": {"depth": 3}, "lr": 0.1, "sizes": [1, 2]}
    assert (trials[0].seconds, trials[0].ended) == (61.5, ENDED)
    assert trials[0].started == ENDED - timedelta(seconds=61.5)
    assert [trial.waiting for trial in trials] == [False, False, True]
    assert [trial.run for trial in trials] == ["old/0", "old/1", None]

    runs = lab.runs(sort="name")
    assert runs["name"].tolist() == ["old/0", "old/1"]
    assert set(runs["experiment"]) == {"digits"}
    assert runs["params.model.depth"].tolist() == [3, 3]
    assert runs["status"].tolist() == ["finished", "failed"]
    assert runs["metrics.accuracy"].tolist()[0] == 1
    points = lab.histories('name == "old/0"', metrics=["loss"])
    assert repr(points["value"].tolist()) == repr([0.5, math.nan, 0.25])


def test_a_log_is_the_same_after_a_lab(lab, log):
    log.to_lab(lab, "old")
    again = ExperimentLog.from_sweep(lab, "old")

    assert again.static_configs == log.static_configs
    assert again.grid_fields == log.grid_fields
    for one, other in zip(again, log, strict=True):
        assert repr(one.config) == repr(other.config)
        assert sorted(map(repr, one.metrics.items())) == sorted(map(repr, other.metrics.items()))


def test_a_log_of_malet_comes_in(lab):
    ExperimentLog.from_tsv(MALET).to_lab(lab, "malet")
    again = ExperimentLog.from_sweep(lab, "malet")
    first, second, third = again.rows

    assert [row.metrics["status"] for row in again] == ["finished", "failed", "lost"]
    assert first.config == {"optimizer": "sgd", "lr": 0.1, "sizes": [64, 32], "seed": 1}
    assert first.metrics["train_loss"] == [0.9, 0.5, 0.25]
    assert first.metrics["duration"] == timedelta(seconds=61.5)
    local = datetime(2026, 3, 1, 12, 0, 0, 123456).astimezone()
    assert first.metrics["datetime"] == local
    assert repr(second.metrics["train_loss"]) == repr([0.9, math.nan, math.inf])
    assert third.metrics["note"] == "null"
    assert lab.sweep("malet").trials()[2].reason == "was running when its log was written"
    assert lab.runs('name == "malet/0"')["seed"].tolist() == [1]


def test_rows_without_a_status_are_finished_or_queued(lab):
    log = ExperimentLog.from_fields(["lr"], [], {})
    log.add_result({"lr": 1}, loss=0.5)
    log.add_result({"lr": 2})

    assert [str(trial.status) for trial in log.to_lab(lab, "old").trials()] == [
        "finished",
        "queued",
    ]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"status": "done"}, "Row 2: the status 'done' is none of queued, running"),
        ({"status": [1]}, r"Row 2: the status \[1\] is none of"),
        ({"status": "failed", "datetime": "today"}, "Row 2: datetime is 'today', not a datetime"),
        ({"status": "failed", "duration": 3}, "Row 2: duration is 3, not a timedelta"),
    ],
)
def test_what_is_wrong_leaves_the_lab_as_it_was(lab, log, metrics, words):
    log.add_result({"lr": 1}, **metrics)
    with pytest.raises(InvalidError, match=words):
        log.to_lab(lab, "old")

    assert lab.sweeps() == []
    assert len(lab.runs()) == 0


def test_a_taken_name_and_rows_that_differ_are_refused(lab, log):
    log.to_lab(lab, "old")
    with pytest.raises(TakenError, match="a sweep named 'old' already"):
        log.to_lab(lab, "old")
    log.drop_fields(["sizes"])
    with pytest.raises(InvalidError, match=r"Several rows .* \{'lr': 0.1\}; leave one"):
        log.to_lab(lab, "new")

    assert [facts.name for facts in lab.sweeps()] == ["old"]
    assert len(lab.runs()) == 2


def test_what_waits_can_be_tried(lab, log, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("def train(config):\n    return {'loss': config.lr}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    sweep = log.to_lab(lab, "old", target="elsewhere:train")
    sweep.run()

    assert [str(trial.status) for trial in sweep.trials()] == ["finished", "failed", "finished"]
    assert sweep.trials()[2].result == {"loss": 1}


def test_the_lab_is_in_order_afterwards(lab, log):
    log.to_lab(lab, "old")

    assert [found.check for found in lab.doctor()] == ["sqlite"]  # a note on its version
