import math

import pytest

from tracker.database.kinds import CheckpointKind, Goal, PhaseKind, RunStatus
from tracker.database.tables import Artifact, Dataset, Environment, Pipeline, Run, RunDataset
from tracker.errors import NotFoundError, StateError
from tracker.files import StoredFile
from tracker.registry.checkpoints import register_checkpoint
from tracker.registry.details import describe, pipeline_details, run_details, runs_named
from tracker.registry.goals import set_goal
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session, end_session
from tracker.registry.tags import add_tags


@pytest.fixture
def writing(database, run_id, pipeline_id):
    # After those two, which write in transactions of their own.
    with database.write() as session:
        yield session


@pytest.fixture
def details(writing):
    """What is known of a run by its id."""

    def read(run_id):
        writing.flush()
        return run_details(writing, writing.get_one(Run, run_id))

    return read


def metrics(details):
    return {row["metric"]: row for row in details["metrics"]}


class TestRun:
    def test_says_who_it_is_and_where_it_stands(self, writing, details, pipeline_id):
        run = create_run(
            writing,
            name="r",
            experiment="digits",
            pipeline_id=pipeline_id,
            params={"model": {"depth": 3}},
            tags=["b", "a"],
            seed=7,
        )

        found = details(run.id)

        assert (found["name"], found["uuid"], found["seed"]) == ("r", run.uuid, 7)
        assert (found["experiment"], found["pipeline"]) == ("digits", "mlp")
        assert found["status"] is RunStatus.QUEUED
        assert found["tags"] == ["a", "b"]
        assert found["parameters"] == {"model.depth": 3}
        empty = ("metrics", "phases", "checkpoints", "artifacts", "data", "sessions")
        assert [found[name] for name in empty] == [[]] * len(empty)
        assert found["environment"] is None

    @pytest.mark.parametrize(
        ("metric", "goal", "best", "best_step"),
        [("val_loss", Goal.MIN, 1.0, 2), ("accuracy", Goal.MAX, 3.0, 1)],
    )
    def test_the_best_follows_the_goal(
        self, writing, details, run_id, add_points, metric, goal, best, best_step
    ):
        add_points(writing, run_id, metric, {1: 3.0, 2: 1.0, 3: 2.0})

        row = metrics(details(run_id))[metric]

        assert (row["goal"], row["best"], row["best_step"]) == (goal, best, best_step)
        assert (row["last"], row["last_step"], row["points"]) == (2.0, 3, 3)

    def test_what_was_said_about_a_metric_counts_more_than_its_name(
        self, writing, details, run_id, add_points
    ):
        add_points(writing, run_id, "val_loss", {1: 3.0, 2: 1.0})
        set_goal(writing, "val_loss", Goal.MAX)

        assert metrics(details(run_id))["val_loss"]["best"] == 3.0

    def test_a_metric_without_a_goal_has_no_best(self, writing, details, run_id, add_points):
        add_points(writing, run_id, "odd", {1: 3.0})

        row = metrics(details(run_id))["odd"]
        assert (row["goal"], row["best"], row["best_step"], row["last"]) == (None, None, None, 3.0)

    def test_nan_is_last_but_never_best(self, writing, details, run_id, add_points):
        add_points(writing, run_id, "loss", {1: 3.0, 2: math.nan})

        row = metrics(details(run_id))["loss"]
        assert row["best"] == 3.0
        assert math.isnan(row["last"])

    def test_phases_stand_in_their_groups(self, writing, details, run_id, add_points):
        group = begin_phase(writing, run_id, label="all", kind=PhaseKind.GROUP, position=0)
        inside = begin_phase(
            writing, run_id, label="train", kind=PhaseKind.TRAIN, position=0, parent_id=group
        )
        begin_phase(writing, run_id, label="test", kind=PhaseKind.EVAL, position=1)
        end_phase(writing, inside, RunStatus.FINISHED, epochs=5, batches=10)
        add_points(writing, run_id, "loss", {1: 3.0}, phase=inside)

        found = details(run_id)

        first, second = found["phases"]
        assert (first["label"], second["label"]) == ("all", "test")
        (train,) = first["phases"]
        assert (train["label"], train["epochs"], train["batches"]) == ("train", 5, 10)
        assert second["phases"] == train["phases"] == []
        assert metrics(found)["loss"]["phase"] == "train"

    def test_checkpoints_come_newest_first_and_removed_ones_not(self, writing, details, run_id):
        for epoch in (0, 1):
            file = StoredFile(f"files/{epoch}", 100, "0" * 64)
            kind = CheckpointKind.STATE
            register_checkpoint(writing, run_id, file, name=f"e{epoch}", kind=kind, epoch=epoch)

        rows = details(run_id)["checkpoints"]
        assert [(row["name"], row["epoch"], row["bytes"]) for row in rows] == [
            ("e1", 1, 100),
            ("e0", 0, 100),
        ]
        assert not rows[0]["abandoned"]

    def test_files_and_data_are_listed(self, writing, details, run_id):
        data = Dataset(name="digits", fingerprint="f", rows=10, columns=["x", "y"])
        writing.add(data)
        writing.flush()
        writing.add(RunDataset(run_id=run_id, dataset_id=data.id))
        artifact = {"path": "files/a", "bytes": 3, "sha256": "0", "media_type": "text/plain"}
        writing.add(Artifact(run_id=run_id, name="notes.txt", **artifact))

        found = details(run_id)

        assert found["data"] == [
            {"name": "digits", "rows": 10, "columns": ["x", "y"], "fingerprint": "f"}
        ]
        assert [(row["name"], row["bytes"]) for row in found["artifacts"]] == [("notes.txt", 3)]

    def test_the_environment_is_the_newest_session_s(self, writing, details, run_id):
        machine = {"packages": {"numpy": "2"}, "host": "h", "platform": "p", "cpu": "c"}
        for python in ("3.11", "3.12"):
            environment = Environment(hash=python, python=python, **machine)
            writing.add(environment)
            writing.flush()
            begun = begin_session(writing, run_id, this_process(), environment.id, command="go")
            end_session(writing, begun.id, RunStatus.STOPPED, exit="stopped")

        found = details(run_id)

        assert found["environment"]["python"] == "3.12"
        assert [row["exit"] for row in found["sessions"]] == ["stopped", "stopped"]
        assert found["sessions"][0]["command"] == "go"


def test_a_pipeline_says_its_configuration_and_its_runs(writing, pipeline_id):
    runs = [
        create_run(writing, name="mlp", experiment="digits", pipeline_id=pipeline_id)
        for _ in range(2)
    ]
    create_run(writing, name="other", experiment="digits")
    add_tags(writing, ["t"], pipeline_id=pipeline_id)
    pipeline = writing.get_one(Pipeline, pipeline_id)
    pipeline.config, pipeline.current_run_id = {"epochs": 3}, runs[1].id

    found = pipeline_details(writing, pipeline)

    assert (found["name"], found["experiment"], found["recipe"]) == ("mlp", "digits", "supervised")
    assert (found["configuration"], found["configuration_hash"]) == ({"epochs": 3}, "0")
    assert found["tags"] == ["t"]
    assert [(run["name"], run["current"]) for run in found["runs"]] == [
        ("mlp", False),
        ("mlp-2", True),
    ]


class TestNames:
    def test_a_pipeline_stands_for_its_current_run(self, writing, pipeline_id):
        run = create_run(writing, name="mlp", experiment="digits", pipeline_id=pipeline_id)
        pipeline = writing.get_one(Pipeline, pipeline_id)
        assert describe(writing, "mlp")["run"] is None
        with pytest.raises(StateError, match="labkeeper train mlp"):
            runs_named(writing, ["mlp"])
        pipeline.current_run_id = run.id

        found = describe(writing, "mlp")

        assert (found["pipeline"]["name"], found["run"]["uuid"]) == ("mlp", run.uuid)
        assert [row.uuid for row in runs_named(writing, ["mlp", run.uuid])] == [run.uuid]

    def test_a_run_comes_alone(self, writing):
        run = create_run(writing, name="loop", experiment="digits")

        found = describe(writing, "loop")

        assert (found["pipeline"], found["run"]["uuid"]) == (None, run.uuid)

    @pytest.mark.parametrize(("name", "nearest"), [("mpl", "mlp"), ("lop", "loop")])
    def test_an_unknown_name_suggests_the_nearest_of_both(
        self, writing, pipeline_id, name, nearest
    ):
        create_run(writing, name="loop", experiment="digits")

        with pytest.raises(NotFoundError, match=rf"pipeline or run .* Did you mean '{nearest}'"):
            describe(writing, name)

    def test_a_run_whose_process_vanished_is_lost(self, writing, live_process, details):
        run = create_run(writing, name="loop", experiment="digits")
        begin_session(writing, run.id, live_process.identity)
        assert details(run.id)["status"] is RunStatus.RUNNING

        live_process.kill()

        found = details(run.id)
        assert found["status"] is RunStatus.LOST
        assert "vanished" in found["reason"]
