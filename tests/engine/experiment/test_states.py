import pytest

from engine.callbacks import Callback, Checkpointing
from engine.context import ExperimentContext
from engine.errors import CheckpointError, UnknownLabelError
from engine.experiment import Experiment
from engine.phases import PhaseGroup, Reporter
from tests.engine.experiment.plans import Failing, evaluation, same, training, weights
from tests.engine.small_experiments import Log, classes, classifier


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
