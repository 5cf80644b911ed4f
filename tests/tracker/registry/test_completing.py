import pytest

from tracker.registry.completing import MOST, metric_names, pipeline_names, run_names
from tracker.registry.pipelines import find_pipeline, register_pipeline, set_archived
from tracker.registry.runs import create_run


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


def test_runs_come_once_and_in_order(writing):
    for name, experiment in [("b", "x"), ("ab", "x"), ("ab", "y"), ("aé", "x")]:
        create_run(writing, name=name, experiment=experiment)

    assert run_names(writing, "a") == ["ab", "aé"]
    assert run_names(writing, "") == ["ab", "aé", "b"]
    assert run_names(writing, "c") == []


def test_archived_pipelines_are_left_out(writing):
    for number, name in enumerate(["one", "once"]):
        about = {"experiment": "x", "recipe": "supervised", "config": {}}
        register_pipeline(writing, name=name, config_hash=str(number), **about)
    set_archived(writing, find_pipeline(writing, "once"), archived=True)

    assert pipeline_names(writing, "on") == ["one"]


def test_wildcards_are_letters(writing):
    for name in ("a%", "ab"):
        create_run(writing, name=name, experiment="x")

    assert run_names(writing, "a%") == ["a%"]


def test_metrics_of_all_runs_are_known(writing, add_points):
    for name, metric in (("r", "loss"), ("s", "lost"), ("t", "loss")):
        add_points(writing, create_run(writing, name=name, experiment="x").id, metric, {1: 0.5})

    assert metric_names(writing, "lo") == ["loss", "lost"]


def test_no_more_are_offered_than_a_shell_shows(writing):
    for _ in range(MOST + 1):
        create_run(writing, name="r", experiment="x")

    assert len(run_names(writing, "r")) == MOST
