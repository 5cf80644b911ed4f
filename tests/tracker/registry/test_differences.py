import math

import pytest

from tracker.database.kinds import Goal, RunStatus
from tracker.database.tables import Environment, Pipeline, Run
from tracker.errors import InvalidError, NotFoundError
from tracker.registry.datasets import record_dataset
from tracker.registry.differences import Differences, differences, same
from tracker.registry.goals import set_goal
from tracker.registry.pipelines import set_current_run
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session, end_session

ENVIRONMENT = {
    "git_commit": "a" * 40,
    "git_branch": "main",
    "patch": None,
    "python": "3.11",
    "packages": {"torch": "2.10", "numpy": "2.2"},
    "host": "here",
    "platform": "Linux",
    "cpu": "some",
    "gpu": None,
}
A = "diff --git a/a.py b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
B = "diff --git a/b.py b/b.py\n@@ -1 +1 @@\n-y = 1\n+y = 2\n"


@pytest.fixture
def session(database):
    with database.write() as session:
        yield session


@pytest.fixture
def run(session, store):
    """Stores a run: `run("a", params=..., environment={"host": "there"}, data=["f1"])`."""

    def make(name, *, environment=None, data=(), **fields):
        run_id = store(session, {"name": name, "status": RunStatus.FINISHED, **fields})
        if environment is not None:
            facts = {**ENVIRONMENT, **environment}
            row = Environment(hash=f"{name}-{facts}", **facts)
            session.add(row)
            session.flush()
            begun = begin_session(session, run_id, this_process(), environment_id=row.id)
            end_session(session, begun.id, RunStatus.STOPPED, exit="stopped")
            session.get_one(Run, run_id).status = fields.get("status", RunStatus.FINISHED)
        for fingerprint in data:
            record_dataset(
                session, run_id, name="digits", fingerprint=fingerprint, rows=10, columns=["x", "y"]
            )
        session.flush()
        return run_id

    return make


def test_runs_that_differ_in_one_parameter_differ_in_nothing_else(session, run):
    params = {"lr": 0.1, "model": {"depth": 3}, "nan": math.nan, "none": None, "list": [1, 2]}
    history = [{("loss", "epoch"): {0: 2.0, 1: math.nan}}]
    for name, rate in (("a", 0.1), ("b", 0.2)):
        run(name, params=params | {"lr": rate}, phases=history, environment={}, data=["f"], seed=1)

    found = differences(session, ["a", "b"])

    assert found == Differences(("a", "b"), parameters={"lr": {"a": 0.1, "b": 0.2}})
    assert found


def test_a_run_does_not_differ_from_itself(session, run):
    run("a", params={"nan": math.nan}, phases=[{("loss", "step"): {0: math.nan}}], environment={})
    uuid = session.get_one(Run, 1).uuid

    assert not differences(session, ["a", "a"])
    assert not differences(session, ["a", uuid, "digits/a"])


def test_a_parameter_that_is_missing_is_told_from_none(session, run):
    run("a", params={"x": None, "y": 1})
    run("b", params={"y": True})
    run("c", params={"x": None, "y": 1.0})

    assert differences(session, ["a", "b", "c"]).parameters == {"x": {"a": None, "c": None}}


def test_who_ran_and_how_it_ended(session, run):
    run("a", seed=1, experiment="digits")
    run("b", seed=2, experiment="letters", status=RunStatus.FAILED)

    assert differences(session, ["a", "b"]).run == {
        "experiment": {"a": "digits", "b": "letters"},
        "seed": {"a": 1, "b": 2},
        "status": {"a": RunStatus.FINISHED, "b": RunStatus.FAILED},
    }


class TestCode:
    def test_commit_and_branch(self, session, run):
        run("a", environment={})
        run("b", environment={"git_commit": "b" * 40, "git_branch": None})

        assert differences(session, ["a", "b"]).code == {
            "commit": {"a": "a" * 40, "b": "b" * 40},
            "branch": {"a": "main"},
        }

    def test_an_uncommitted_edit_is_seen(self, session, run):
        run("clean", environment={})
        run("edited", environment={"patch": A})

        found = differences(session, ["clean", "edited"])
        assert found == Differences(("clean", "edited"), patches={"edited": A})

    def test_files_that_are_changed_alike_are_left_out(self, session, run):
        run("a", environment={"patch": A + B})
        run("b", environment={"patch": A + B.replace("2", "3")})
        run("c", environment={"patch": B + A})

        assert differences(session, ["a", "b"]).patches == {"a": B, "b": B.replace("2", "3")}
        assert not differences(session, ["a", "c"])

    def test_the_newest_environment_counts(self, session, run):
        run_id = run("a", environment={"patch": A})
        run("b", environment={"patch": B})
        newest = session.query(Environment).order_by(Environment.id.desc()).first()
        begin_session(session, run_id, this_process(), environment_id=newest.id)

        assert differences(session, ["a", "b"]).patches == {}


def test_surroundings_differ_package_by_package(session, run):
    run("a", environment={})
    run("b", environment={"host": "there", "gpu": "big", "packages": {"torch": "2.11"}})

    assert differences(session, ["a", "b"]).environment == {
        "host": {"a": "here", "b": "there"},
        "gpu": {"a": None, "b": "big"},
        "packages.torch": {"a": "2.10", "b": "2.11"},
        "packages.numpy": {"a": "2.2"},
    }


def test_data_differ_by_content(session, run):
    run("a", data=["f1", "f2"])
    run("b", data=["f1", "f3"])

    (found,) = differences(session, ["a", "b"]).data.items()
    name, sides = found
    assert name == "digits (2)"
    assert sides["a"] == {"rows": 10, "columns": ["x", "y"], "fingerprint": "f2"}
    assert sides["b"]["fingerprint"] == "f3"


class TestMetrics:
    @pytest.mark.parametrize(("goal", "better"), [(Goal.MIN, "b"), (Goal.MAX, "a")])
    def test_best_and_last_say_who_is_better(self, session, run, goal, better):
        run("a", phases=[{("score", "epoch"): {0: 1.0, 1: 3.0, 2: 2.0}}])
        run("b", phases=[{("score", "epoch"): {0: 0.5, 1: 1.5, 2: 1.0}}])
        set_goal(session, "score", goal)

        found = differences(session, ["a", "b"]).metrics

        best = {Goal.MIN: {"a": 1.0, "b": 0.5}, Goal.MAX: {"a": 3.0, "b": 1.5}}[goal]
        assert found["best(score)"].values == best
        assert found["last(score)"].values == {"a": 2.0, "b": 1.0}
        assert found["best(score)"].better == found["last(score)"].better == (better,)

    def test_of_a_metric_without_a_goal_nobody_is_better(self, session, run):
        run("a", phases=[{("odd", "epoch"): {0: 1.0}}])
        run("b", phases=[{("odd", "epoch"): {0: 2.0}}])

        (found,) = differences(session, ["a", "b"]).metrics.items()
        assert found[0] == "last(odd)"
        assert (found[1].goal, found[1].better) == (None, ())

    def test_nan_is_never_better_and_a_missing_metric_has_no_value(self, session, run):
        run("a", phases=[{("loss", "epoch"): {0: 1.0, 1: math.nan}}])
        run("b", phases=[{("loss", "epoch"): {0: 1.0, 1: math.inf}}])
        run("c")

        found = differences(session, ["a", "b", "c"]).metrics
        assert found["last(loss)"].better == ("b",)
        assert found["best(loss)"].values == {"a": 1.0, "b": 1.0}
        assert found["best(loss)"].better == ("a", "b")

    def test_all_phases_count_together(self, session, run):
        run("a", phases=[{("loss", "epoch"): {0: 1.0, 9: 3.0}}, {("loss", "epoch"): {5: 2.0}}])
        run("b", phases=[{("loss", "epoch"): {0: 2.0, 5: 2.0, 9: 1.0}}])

        found = differences(session, ["a", "b"]).metrics
        assert set(found) == {"last(loss)"}
        assert found["last(loss)"].values == {"a": 3.0, "b": 1.0}


def test_of_a_metric_per_epoch_and_per_step_the_epochs_are_compared(session, run):
    for name, step in (("a", 0.1), ("b", 0.2)):
        run(name, phases=[{("loss", "epoch"): {0: 1.0}, ("loss", "step"): {0: 2.0, 5: step}}])

    assert not differences(session, ["a", "b"])


def test_what_parameters_say_is_not_said_twice(session, run):
    run("a", seed=1, params={"seed": 1})
    run("b", seed=2, params={"seed": 2})

    found = differences(session, ["a", "b"])
    assert found == Differences(("a", "b"), parameters={"seed": {"a": 1, "b": 2}})


class TestPipelines:
    @pytest.fixture
    def pipelines(self, session, store_pipeline):
        for name, depth in (("p", 3), ("q", 4), ("new", 4)):
            run = {"params": {"depth": 9}, "phases": [{("loss", "epoch"): {0: 1.0 * depth}}]}
            store_pipeline(session, {"name": name, "run": None if name == "new" else run})
        for row in session.query(Pipeline):
            row.config = {"experiment": "digits", "model": {"depth": 3 if row.name == "p" else 4}}
        session.flush()

    def test_their_configurations_and_their_current_runs_are_compared(self, session, pipelines):
        found = differences(session, ["p", "q"])

        assert found.parameters == {"model.depth": {"p": 3, "q": 4}}
        assert found.metrics["best(loss)"].better == ("p",)

    def test_one_that_was_never_trained_has_a_configuration_only(self, session, pipelines):
        found = differences(session, ["p", "new"])

        assert found.parameters == {"model.depth": {"p": 3, "new": 4}}
        assert found.run["status"]["new"] == "never trained"
        assert (found.metrics, found.environment, found.code) == ({}, {}, {})

    def test_without_a_current_run_it_is_as_never_trained(self, session, pipelines):
        row = session.query(Pipeline).filter_by(name="q").one()
        set_current_run(session, row, None)
        session.flush()

        assert differences(session, ["p", "q"]).metrics == {}


def test_an_unknown_name_is_refused(session, run):
    run("mlp")

    with pytest.raises(NotFoundError, match="Did you mean 'mlp'"):
        differences(session, ["mlp", "mpl"])
    with pytest.raises(InvalidError, match="Name the runs"):
        differences(session, [])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1.0, True),
        (math.nan, math.nan, True),
        (math.nan, 1, False),
        (1.0, math.nan, False),
        ([1, math.nan], [1.0, float("nan")], True),
        ([1], [1, 2], False),
        ("1", 1, False),
        (None, None, True),
        (None, 0, False),
    ],
)
def test_same_is_equal_or_nan_both(one, other, expected):
    assert same(one, other) is expected
