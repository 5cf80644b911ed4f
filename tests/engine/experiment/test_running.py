"""What is run, reported, recorded and undone."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
import torch

from engine.callbacks import Callback
from engine.context import ExperimentContext
from engine.errors import CheckpointError, PhaseError, UnknownFlagError
from engine.experiment import Experiment
from engine.models.comparing import same_values
from engine.phases import PhaseGroup, Reporter
from engine.seeding import capture_generators
from tests.engine.experiment.plans import Failing, evaluation, same, training, weights
from tests.engine.small_experiments import (
    Log,
    assert_equal,
    classes,
    classifier,
    fresh,
    resumable,
)


class TestThePlan:
    def test_runs_in_order_and_keeps_the_shape_of_the_groups(self, experiment):
        inner = PhaseGroup("inner", [training("b"), evaluation("c")])
        experiment.execution_plan.add_items([training("a"), inner, evaluation("d")])
        log = Log()
        experiment.add_reporter(log)

        results = experiment.run()

        assert results.labels == ["a", "inner", "d"]
        assert results.get_group_result("inner").labels == ["b", "c"]
        assert list(results.flatten()) == ["a", "b", "c", "d"]
        started = [event[1:] for event in log.events if event[0] == "phase_started"]
        assert started == [
            ("a", (0,), "train", False),
            ("inner", (1,), "group", False),
            ("b", (1, 0), "train", False),
            ("c", (1, 1), "eval", False),
            ("d", (2,), "eval", False),
        ]
        assert experiment.last_run.phase_durations.keys() == {"a", "inner/b", "inner/c", "d"}

    def test_steps_count_on_over_phases(self, experiment):
        log = Log()
        experiment.add_reporter(log)
        experiment.run_phase(training("a"))
        experiment.run_phase(training("b"))

        assert [event[3] for event in log.events if event[0] == "batch_ended"] == [1, 2, 3, 4, 5, 6]
        assert experiment.step == 6

    @pytest.mark.parametrize("prefix", ["run", "preview"])
    def test_a_group_is_no_phase_and_a_phase_no_group(self, experiment, prefix):
        experiment.model_graph.build()
        before = weights(experiment)
        phase, group = training(), PhaseGroup("all", [training("a")])

        with pytest.raises(
            TypeError, match=r"phase is wanted, not the PhaseGroup 'all'.*run_group"
        ):
            getattr(experiment, f"{prefix}_phase")(group)
        with pytest.raises(TypeError, match=r"PhaseGroup is wanted, not the TrainPhase.*run_phase"):
            getattr(experiment, f"{prefix}_group")(phase)
        assert experiment.history == []
        assert same(weights(experiment), before)

    def test_in_threads_gives_what_it_gives_one_after_another(self):
        def run(seed):
            made = fresh(resumable, seed=seed)
            made.run()
            return made.model_graph.get_state()

        expected = [run(seed) for seed in range(3)]
        before = capture_generators()
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(run, range(3)))

        assert_equal(found, expected)
        assert same_values(capture_generators(), before)

    def test_a_flag_that_no_phase_knows_names_the_nearest(self, experiment):
        with pytest.raises(UnknownFlagError, match="Did you mean 'show_training_progress'"):
            experiment.run_phase(training(), show_training_progres=False)
        assert experiment.history == []

    def test_a_flag_for_another_kind_of_phase_is_fine(self, experiment):
        experiment.execution_plan.add_items([training(), evaluation()])

        experiment.run(show_eval_progress=True, show_training_progress=False)

        assert experiment.last_run.status == "completed"

    def test_without_a_graph_there_is_nothing_to_run_on(self):
        feature_set = classes()
        classifier(feature_set)
        phase = training()
        with pytest.raises(PhaseError, match="'empty' has no model graph"):
            Experiment("empty").run_phase(phase)


class TestRandomness:
    def test_the_same_seed_gives_the_same_run(self):
        def run(seed):
            with ExperimentContext().activate():
                experiment = Experiment("small", seed=seed)
                classifier(classes())
                experiment.run_phase(training(n_epochs=2))
                return weights(experiment)

        first, again, other = run(1), run(1), run(2)

        assert same(first, again)
        assert not same(first, other)

    def test_an_open_seed_is_drawn_and_kept(self):
        first, second = Experiment("a"), Experiment("b")

        assert first.seed != second.seed

    def test_a_seed_is_a_whole_number(self):
        assert Experiment("a", seed=np.int64(3)).seed == 3
        with pytest.raises(TypeError, match="integer"):
            Experiment("b", seed=0.5)

    def test_the_callers_generators_are_as_before(self, experiment):
        def state():
            numpys = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one is meant
            return random.getstate(), numpys, torch.get_rng_state().tolist()

        experiment.run_phase(evaluation())
        before = state()
        experiment.run_phase(training())

        assert state() == before

    def test_what_the_caller_draws_before_does_not_matter(self):
        def run(draws):
            with ExperimentContext().activate():
                experiment = Experiment("small", seed=1)
                classifier(classes())
                torch.rand(draws)
                experiment.run_phase(training())
                return weights(experiment)

        assert same(run(1), run(5))

    def test_phases_of_different_labels_draw_differently_and_equal_ones_alike(self, experiment):
        def after(label):
            experiment.set_state(before)
            # The order of the samples is the same: what differs is the dropout.
            phase = training(label)
            phase.input_sources[0].sampler.seed = 1
            experiment.run_phase(phase)
            return weights(experiment)

        before = experiment.get_state()
        first, again, other = after("a"), after("a"), after("b")

        assert same(first, again)
        assert not same(first, other)

    def test_each_epoch_has_an_order_of_its_own_and_every_run_the_same(self, experiment):
        first = experiment.run_phase(training(n_epochs=2))
        second = experiment.run_phase(training(n_epochs=2))

        ids = [
            [list(batch.sample_uuids) for batch in results.batches("net").where(epoch=e).values()]
            for results in (first, second)
            for e in (0, 1)
        ]
        assert ids[0] != ids[1]
        assert sorted(chain(*ids[0])) == sorted(chain(*ids[1]))
        assert ids[:2] == ids[2:]


class TestFailing:
    def test_the_error_reaches_the_user_itself_and_every_callback(self, experiment):
        error = ValueError("as it was raised")
        failing, looking = Failing(error), Failing(error, batch=99, label="looking")
        phase = training(callbacks=[failing, looking])

        with pytest.raises(ValueError, match="as it was raised") as raised:
            experiment.run_phase(phase)

        assert raised.value is error
        assert failing.seen == looking.seen == [(error, 1)]

    def test_an_error_in_the_model_reaches_callbacks_as_it_is(self, experiment, monkeypatch):
        error = RuntimeError("in the forward pass")
        looking = Failing(error, batch=99)

        def forward(_x):
            raise error

        phase = training(callbacks=[looking])
        experiment.model_graph.build()
        monkeypatch.setattr(experiment.model_graph.nodes["net"].module, "forward", forward)
        with pytest.raises(RuntimeError, match="in the forward pass"):
            experiment.run_phase(phase)

        assert looking.seen == [(error, 0)]

    def test_the_run_is_recorded_as_failed_with_what_had_finished(self, experiment):
        failing = training("b", callbacks=[Failing(ValueError("no"))])
        experiment.execution_plan.add_items([training("a"), failing, evaluation("c")])
        log = Log()
        experiment.add_reporter(log)

        with pytest.raises(ValueError, match="no"):
            experiment.run()

        run = experiment.last_run
        assert run.status == "failed"
        assert run.results.labels == ["a", "b"]
        assert len(run.results["a"].execution_contexts()) == 3
        assert len(run.results["b"].execution_contexts()) == 2
        assert run.results["b"].metrics().select(name="train_loss", batch=None) == []
        statuses = {label: meta.status for label, meta in run.execution_meta.items()}
        assert statuses == {"a": "completed", "b": "failed"}
        assert log.events[-1][:2] == ("run_ended", "failed")
        assert isinstance(log.events[-1][2], ValueError)
        assert experiment.cursor is None

    def test_a_second_error_is_noted_on_the_first(self, experiment):
        class Worse(Failing):
            def on_exception(self, **_):
                raise KeyError("while looking")

        with pytest.raises(ValueError, match="first") as raised:
            experiment.run_phase(training(callbacks=[Worse(ValueError("first"))]))

        assert "'Worse' failed too: KeyError('while looking')" in raised.value.__notes__[0]

    def test_a_reporter_that_fails_over_an_error_does_not_hide_it(self, experiment):
        class Broken(Reporter):
            def run_ended(self, experiment, *, status, error):
                raise OSError("disk full")

        experiment.add_reporter(Broken())
        with pytest.raises(ValueError, match="first") as raised:
            experiment.run_phase(training(callbacks=[Failing(ValueError("first"))]))

        assert "OSError('disk full')" in raised.value.__notes__[0]

    def test_ctrl_c_counts_as_stopped_and_passes_on(self, experiment):
        looking = Failing(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            experiment.run_phase(training(callbacks=[looking]))

        assert experiment.last_run.status == "stopped"
        assert isinstance(looking.seen[0][0], KeyboardInterrupt)

    def test_frozen_states_are_put_back_after_an_error(self, experiment):
        graph = experiment.model_graph
        graph.build()
        graph.freeze()
        phase = training(active_nodes=["net"], callbacks=[Failing(ValueError("no"))])

        with pytest.raises(ValueError, match="no"):
            experiment.run_phase(phase)

        assert list(graph.frozen_nodes) == ["net"]


class TestStopping:
    def test_between_phases_the_next_is_not_begun(self, experiment):
        class Stop(Reporter):
            def phase_ended(self, phase, *, path, status, results):
                experiment.request_stop()

        experiment.execution_plan.add_items([training("a"), training("b")])
        experiment.add_reporter(Stop())

        experiment.run()

        assert experiment.last_run.status == "stopped"
        assert experiment.last_run.results.labels == ["a"]
        assert experiment.cursor == ((1,), 0, 0, 3)

    def test_resuming_skips_what_has_finished(self, experiment):
        class Stop(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                if step == 4:
                    experiment.request_stop()

        group = PhaseGroup("group", [training("b"), evaluation("c")])
        experiment.execution_plan.add_items([training("a"), group, evaluation("d")])
        log, stop = Log(), Stop()
        experiment.add_reporter(log)
        experiment.add_reporter(stop)
        first = experiment.run()
        experiment.remove_reporter(stop)

        results = experiment.resume()

        assert first.flatten().keys() == {"a", "b"}
        assert list(results.flatten()) == ["a", "b", "c", "d"]
        assert results["a"] is first["a"]
        assert len(results.flatten()["b"].execution_contexts()) == 3
        resumed = [event for event in log.events if event[0] == "phase_started"][3:]
        assert resumed == [
            ("phase_started", "group", (1,), "group", True),
            ("phase_started", "b", (1, 0), "train", True),
            ("phase_started", "c", (1, 1), "eval", False),
            ("phase_started", "d", (2,), "eval", False),
        ]
        assert [run.status for run in experiment.history] == ["stopped", "completed"]

    def test_a_stopped_evaluation_is_begun_anew(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, experiment, **_):
                experiment.request_stop()

        phase = evaluation()
        phase.batch_size = 5
        phase.add_callback(Stop())
        first = experiment.run_phase(phase)
        assert experiment.last_run.status == "stopped"
        assert first.n_batches == 1
        phase.callbacks.clear()

        assert experiment.resume().n_batches == 4

    def test_there_must_be_something_to_go_on_with(self, experiment):
        experiment.run_phase(training())
        with pytest.raises(CheckpointError, match="nothing to go on with"):
            experiment.resume()

    def test_a_new_run_after_a_stop_begins_anew(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, experiment, **_):
                experiment.request_stop()

        phase = training(callbacks=[Stop()])
        experiment.run_phase(phase)
        phase.callbacks.clear()
        results = experiment.run_phase(phase)

        assert len(results.execution_contexts()) == 3
        assert experiment.cursor is None


def test_a_run_that_fails_leaves_nothing_of_an_earlier_stop_to_go_on_with(experiment):
    class Stop(Callback):
        def on_batch_end(self, *, experiment, **_):
            experiment.request_stop()

    experiment.run_phase(training("a", callbacks=[Stop()]))
    assert experiment.cursor is not None

    with pytest.raises(ValueError, match="no"):
        experiment.run_phase(training("b", callbacks=[Failing(ValueError("no"))]))

    assert experiment.cursor is None


def test_a_reporter_cannot_begin_another_run(experiment):
    class Running(Reporter):
        def batch_ended(self, *, path, epoch, batch, step):
            experiment.run_phase(evaluation())

    experiment.add_reporter(Running())
    with pytest.raises(PhaseError, match="'train' is being run; a second run has to wait"):
        experiment.run_phase(training())
