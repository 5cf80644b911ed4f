"""An experiment in a file is there again, and goes on, in the same and in other processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.context import ExperimentContext
from engine.errors import CheckpointError, PackagedCodeError
from engine.experiment import Experiment
from engine.losses import AppliedLoss
from engine.models.comparing import same_values
from engine.phases import Reporter
from engine.saving import read_file
from tests.engine.experiment.experiments import KINDS, StopAfter, begun, outcome
from tests.engine.experiment.plans import training
from tests.engine.small_experiments import assert_equal, fresh

ROOT = Path(__file__).parents[3]
STOPS = [(kind, stop) for kind, (_, _, stops) in KINDS.items() for stop in stops]


def load(path, **options):
    return Experiment.load(path, allow_packaged_code=True, **options)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What another process has made of all the experiments that were stopped."""
    folder = tmp_path_factory.mktemp("experiments")
    for kind, stop in STOPS:
        begun(kind, stop=stop).save(folder / f"{kind}-{stop}")
    program = [sys.executable, "-m", "tests.engine.experiment.programs.resumer", str(folder)]
    subprocess.run(program, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    return folder


@pytest.fixture(scope="module")
def whole():
    return {kind: outcome(begun(kind)) for kind in KINDS}


@pytest.mark.parametrize(("kind", "stop"), STOPS)
def test_stopped_anywhere_it_ends_elsewhere_as_if_it_never_was(elsewhere, whole, kind, stop):
    found, _ = read_file(elsewhere / f"{kind}-{stop}.outcome")

    # Of the phases, those that had finished before are not timed again.
    assert set(found.pop("durations")) <= set(whole[kind]["durations"])
    expected = {key: value for key, value in whole[kind].items() if key != "durations"}
    assert_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_its_configuration_and_state_are_those_it_was_saved_with(kind, tmp_path):
    experiment = begun(kind, stop=KINDS[kind][2][0])
    path = experiment.save(tmp_path / "it")

    with ExperimentContext().activate() as context:
        again = load(path)

        assert path.name == "it.experiment"
        assert type(again) is Experiment
        assert again.ctx is context is again.model_graph.ctx
        assert context.get_experiment() is again
        assert again.get_config() == experiment.get_config()
        assert same_values(plain(again.get_state()), plain(experiment.get_state()))
        assert again.cursor == experiment.cursor
        assert again.available_checkpoints == {}


def plain(state):
    """With the snapshots' contents, which are objects otherwise."""
    phase = state["position"]["phase"]
    if "snapshots" in phase:
        phase["snapshots"] = {key: one.get_state() for key, one in phase["snapshots"].items()}
    return state


def test_saved_again_it_makes_the_same_file(tmp_path):
    first = begun("small", stop=7).save(tmp_path / "first")
    with ExperimentContext().activate():
        second = load(first).save(tmp_path / "second")

    assert second.read_bytes() == first.read_bytes()


def test_what_was_run_by_itself_is_found_where_it_is_in_the_plan(tmp_path):
    experiment = fresh(KINDS["small"][0])
    experiment.add_reporter(StopAfter(experiment, 3))
    with experiment.ctx.activate():
        experiment.run_phase(experiment.execution_plan.get_phase(0))
    path = experiment.save(tmp_path / "it")

    with ExperimentContext().activate():
        again = load(path)
        results = again.resume()

    assert results.label == "train"
    assert again._position is None
    assert read_file(path)[0]["root"] == {"place": [0]}


def test_a_finished_one_keeps_its_history(tmp_path):
    experiment = begun("stages")
    with experiment.ctx.activate():
        experiment.run_phase(experiment.execution_plan.flatten()[2])
    experiment.last_run.metadata["why"] = "to look again"
    path = experiment.save(tmp_path / "it")

    with ExperimentContext().activate():
        again = load(path)

    first, second = again.history
    assert first.phase_durations == experiment.history[0].phase_durations
    assert (first.started_at, first.status) == (experiment.history[0].started_at, "completed")
    assert second.metadata == {"why": "to look again"}
    metrics = second.results.metrics().where(batch=None).data
    assert metrics == experiment.last_run.results.metrics().where(batch=None).data
    with pytest.raises(CheckpointError, match="nothing to go on with"):
        again.resume()


def test_a_new_one_runs_as_the_first_would_have(whole, tmp_path):
    experiment = fresh(KINDS["stages"][0])
    path = experiment.save(tmp_path / "new")

    with ExperimentContext().activate():
        again = load(path)
        again.run()

    assert again.seed == experiment.seed
    assert_equal(outcome(again), whole["stages"])


def test_one_without_graph_and_data_is_kept_too(tmp_path):
    path = fresh(lambda: Experiment("bare", seed=2)).save(tmp_path / "bare")

    with ExperimentContext().activate():
        again = load(path)

    assert (again.label, again.seed, again.model_graph) == ("bare", 2, None)


def test_nothing_is_saved_in_the_middle_of_a_run(tmp_path):
    experiment = fresh(KINDS["small"][0])
    refused = []

    class Saving(Reporter):
        def batch_ended(self, **_):
            with pytest.raises(CheckpointError, match="is being run") as caught:
                experiment.save(tmp_path / "it")
            refused.append(caught.value)

    experiment.add_reporter(Saving())
    experiment.run()

    assert len(refused) == experiment.step
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path):
    experiment = fresh(KINDS["alone"][0])
    path = experiment.save(tmp_path / "it")
    before = path.read_bytes()
    experiment.seed = 7

    with pytest.raises(FileExistsError, match=r"it\.experiment exists; pass overwrite=True"):
        experiment.save(tmp_path / "it.experiment")
    assert path.read_bytes() == before
    experiment.save(path, overwrite=True)

    with ExperimentContext().activate():
        assert load(path).seed == 7


def test_what_cannot_be_described_is_an_error_and_no_file(tmp_path):
    experiment = fresh(KINDS["alone"][0])
    with experiment.ctx.activate():
        loss = AppliedLoss(lambda outputs, targets: outputs.mean(), on="net")
        experiment.execution_plan.add_phase(training(losses=[loss]))

    with pytest.raises(PackagedCodeError, match="is a lambda"):
        experiment.save(tmp_path / "it")
    assert list(tmp_path.iterdir()) == []
