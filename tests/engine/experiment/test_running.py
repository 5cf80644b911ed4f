"""What is run, reported, recorded and undone."""

import random
from itertools import chain

import numpy as np
import pytest
import torch

from engine.callbacks import Callback, Checkpointing, ExperimentCallback
from engine.context import ExperimentContext
from engine.errors import CheckpointError, PhaseError, UnknownFlagError, UnknownLabelError
from engine.experiment import Experiment
from engine.phases import EvalPhase, PhaseGroup, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import Log, classes, classifier, cross_entropy


@pytest.fixture
def experiment():
    experiment = Experiment("small", seed=4)
    classifier(classes())
    return experiment


def training(label="train", n_epochs=1, **options):
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=24, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=n_epochs,
        **options,
    )


def evaluation(label="test"):
    return EvalPhase.from_split(label, split="val", losses=[cross_entropy()])


class Failing(Callback):
    """Raises at the end of one batch; remembers what it was shown."""

    def __init__(self, error, *, batch=1, **options):
        super().__init__(**options)
        self.error, self.batch, self.seen = error, batch, []

    def on_batch_end(self, *, exec_ctx, **_):
        if exec_ctx.batch_idx == self.batch:
            raise self.error

    def on_exception(self, *, exception, exec_ctx, **_):
        self.seen.append((exception, exec_ctx.batch_idx))


def weights(experiment):
    return {
        name: value.clone() for name, value in experiment.model_graph.get_weights()["net"].items()
    }


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


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


class TestPreviews:
    def test_leave_no_trace(self, experiment):
        log = Log()
        experiment.add_reporter(log)
        experiment.run_phase(training("before"))
        graph, events = experiment.get_state()["graph"], len(log.events)

        results = experiment.preview_phase(training(n_epochs=2))

        assert results.n_epochs == 2
        assert len(log.events) == events
        assert len(experiment.history) == 1
        assert experiment.step == 3
        from tests.engine.small_experiments import assert_equal

        assert_equal(experiment.get_state()["graph"], graph)

    def test_are_undone_when_they_fail(self, experiment):
        experiment.model_graph.build()
        before = weights(experiment)

        with pytest.raises(ValueError, match="no"):
            experiment.preview_phase(training(callbacks=[Failing(ValueError("no"))]))

        assert same(weights(experiment), before)
        assert experiment.history == []

    def test_of_groups_too(self, experiment):
        experiment.model_graph.build()
        before = weights(experiment)

        results = experiment.preview_group(PhaseGroup("both", [training(), evaluation()]))

        assert results.labels == ["train", "test"]
        assert same(weights(experiment), before)

    def test_save_no_checkpoints(self, experiment, tmp_path):
        saving = Checkpointing(mode="disk", directory=tmp_path)
        experiment.preview_phase(training(checkpointing=saving))

        assert list(tmp_path.iterdir()) == []

    def test_keep_the_place_of_a_stopped_run(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, experiment, **_):
                experiment.request_stop()

        phase = training(callbacks=[Stop()])
        experiment.run_phase(phase)
        cursor = experiment.cursor
        experiment.preview_phase(evaluation())

        assert experiment.cursor == cursor == ((0,), 0, 1, 1)


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


class TestExperimentCallbacks:
    class Spy(ExperimentCallback):
        def __init__(self, seen, **options):
            super().__init__(**options)
            self.seen = seen

        def on_experiment_start(self, *, experiment):
            self.seen.append((self.label, "experiment_start"))

        def on_experiment_end(self, *, experiment):
            self.seen.append((self.label, "experiment_end"))

        def on_phase_start(self, *, experiment, phase):
            self.seen.append((self.label, "phase_start", phase.label))

        def on_phase_end(self, *, experiment, phase):
            self.seen.append((self.label, "phase_end", phase.label))

        def on_group_start(self, *, experiment, phase_group):
            self.seen.append((self.label, "group_start", phase_group.label))

        def on_group_end(self, *, experiment, phase_group):
            self.seen.append((self.label, "group_end", phase_group.label))

        def on_exception(self, *, experiment, phase=None, exception):
            self.seen.append((self.label, "exception", phase and phase.label, exception))

    def test_are_called_at_every_boundary_in_their_order(self, experiment):
        seen = []
        experiment.add_callback(self.Spy(seen, label="late", execution_order=1))
        experiment.add_callback(self.Spy(seen, label="early"))
        experiment.execution_plan.add_group(PhaseGroup("group", [evaluation()]))

        experiment.run()

        assert [each.label for each in experiment.exp_callbacks] == ["early", "late"]
        assert seen[:4] == [
            ("early", "experiment_start"),
            ("late", "experiment_start"),
            ("early", "group_start", "group"),
            ("late", "group_start", "group"),
        ]
        assert [event[1:] for event in seen if event[0] == "early"] == [
            ("experiment_start",),
            ("group_start", "group"),
            ("phase_start", "test"),
            ("phase_end", "test"),
            ("group_end", "group"),
            ("experiment_end",),
        ]

    def test_see_the_error_and_the_phase(self, experiment):
        seen, error = [], ValueError("no")
        experiment.add_callback(self.Spy(seen, label="spy"))
        with pytest.raises(ValueError, match="no"):
            experiment.run_phase(training(callbacks=[Failing(error)]))

        assert seen == [
            ("spy", "phase_start", "train"),
            ("spy", "exception", "train", error),
        ]

    def test_may_run_phases_which_nobody_else_hears_of(self, experiment):
        seen, test = [], evaluation("inside")

        class Evaluating(ExperimentCallback):
            def on_phase_end(self, *, experiment, phase):
                experiment.run_phase(test)

        log = Log()
        experiment.add_reporter(log)
        experiment.add_callback(self.Spy(seen, label="spy"))
        experiment.add_callback(Evaluating())
        experiment.run_phase(training())

        assert seen == [("spy", "phase_start", "train"), ("spy", "phase_end", "train")]
        assert "inside" not in {event[1] for event in log.events}
        assert [run.label for run in experiment.history] == ["inside", "train"]

    def test_a_phases_callback_is_refused(self, experiment):
        with pytest.raises(PhaseError, match=r"belongs to a phase: phase\.add_callback"):
            experiment.add_callback(Callback())


class TestRestoring:
    def test_a_phase_run_by_itself_is_found_in_the_plan_or_must_be_given(self, tmp_path):
        def build():
            with ExperimentContext().activate():
                experiment = Experiment("small", seed=4)
                classifier(classes())
                return experiment, training(n_epochs=2)

        experiment, phase = build()

        class Save(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                if step == 2:
                    experiment.write_checkpoint(tmp_path / "a.ckpt")

        experiment.add_reporter(Save())
        experiment.run_phase(phase)
        planned, same_phase = build()
        planned.execution_plan.add_group(PhaseGroup("deep", [same_phase]))
        planned.restore_checkpoint(tmp_path / "a.ckpt")
        unplanned, given = build()
        unplanned.restore_checkpoint(tmp_path / "a.ckpt")

        with pytest.raises(UnknownLabelError, match="give it to resume"):
            unplanned.resume()
        results = unplanned.resume(given)
        planned.resume()

        assert results.n_epochs == 2
        assert same(weights(unplanned), weights(experiment))
        assert same(weights(planned), weights(experiment))

    def test_another_plan_is_refused(self, experiment, tmp_path):
        experiment.execution_plan.add_items([training("a"), training("b")])

        class Save(Reporter):
            def epoch_ended(self, *, path, epoch, step):
                experiment.write_checkpoint(tmp_path / "last.ckpt")

        experiment.add_reporter(Save())
        experiment.run()
        experiment.execution_plan.clear().add_items([training("a"), evaluation("c")])
        experiment.restore_checkpoint(tmp_path / "last.ckpt")

        with pytest.raises(CheckpointError, match="stands in 'b', and the plan has 'c'"):
            experiment.resume()

    def test_other_data_are_refused(self, tmp_path):
        def build(rows):
            with ExperimentContext().activate():
                experiment = Experiment("small", seed=4)
                classifier(classes(rows=rows))
                experiment.execution_plan.add_phase(training(n_epochs=2))
                return experiment

        experiment = build(90)

        class Save(Reporter):
            def epoch_ended(self, *, path, epoch, step):
                if epoch == 0:
                    experiment.write_checkpoint(tmp_path / "first.ckpt")

        experiment.add_reporter(Save())
        experiment.run()
        other = build(93)
        other.restore_checkpoint(tmp_path / "first.ckpt")

        with pytest.raises(CheckpointError, match="draws from other samples of 'clouds'"):
            other.resume()

    def test_history_goes_back_with_the_state(self, experiment, tmp_path):
        experiment.set_checkpoint_dir(tmp_path)
        experiment.run_phase(training("a"))
        expected = experiment.last_run.results.last_metrics()
        experiment.save_checkpoint("after-a")
        experiment.run_phase(training("b"))

        experiment.restore_checkpoint("after-a")

        assert [run.label for run in experiment.history] == ["a"]
        assert experiment.last_run.results.last_metrics() == expected
        assert experiment.step == 3
        assert experiment.cursor is None


class TestState:
    def test_is_a_copy_that_training_does_not_change(self, experiment):
        experiment.run_phase(training("a"))
        state, before = experiment.get_state(), weights(experiment)
        experiment.run_phase(training("b"))
        assert not same(weights(experiment), before)

        experiment.set_state(state)

        assert same(weights(experiment), before)
        assert experiment.step == 3

    def test_cannot_be_replaced_while_a_run_goes_on(self, experiment):
        class Restoring(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                experiment.set_state(experiment.get_state())

        experiment.add_reporter(Restoring())
        with pytest.raises(CheckpointError, match="A run is going on"):
            experiment.run_phase(training())
