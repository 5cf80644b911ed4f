"""Runs as plain values, and back."""

from datetime import UTC, datetime

from engine.results import ExperimentRun, PhaseExecutionMeta, PhaseGroupExecutionMeta, TrainResults
from engine.results.group_results import PhaseGroupResults
from engine.results.states import run_from_state, run_state

THEN, LATER = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2, 4, tzinfo=UTC)


def run():
    inner = PhaseExecutionMeta("train", THEN, LATER, "completed", {"gpu": 0})
    meta = PhaseGroupExecutionMeta("all", THEN, LATER, "completed", [inner])
    results = PhaseGroupResults("all")
    results.add_result(TrainResults("train"))
    return ExperimentRun("all", THEN, LATER, "completed", results, meta, {"why": {"tries": [1]}})


def test_what_was_noted_of_a_run_and_its_phases_comes_back():
    before = run()
    after = run_from_state(run_state(before))

    assert after.metadata == before.metadata
    assert after.execution_meta == before.execution_meta
    assert after.phase_durations == {"train": 3600.0}


def test_a_state_is_not_changed_by_what_is_noted_later():
    before = run()
    state = run_state(before)
    before.metadata["why"]["tries"].append(2)
    first = run_from_state(state)
    first.metadata["why"]["tries"].append(3)

    assert run_from_state(state).metadata == {"why": {"tries": [1]}}


def test_states_of_versions_that_noted_nothing_are_read():
    state = run_state(run())
    del state["metadata"], state["execution"]["children"][0]["metadata"]

    after = run_from_state(state)

    assert (after.metadata, after.execution_meta.flatten()["train"].metadata) == ({}, {})
