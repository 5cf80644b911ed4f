import math

import pytest
import torch

from engine.callbacks import Callback, EarlyStopping, MetricResult
from engine.context import ExperimentContext
from engine.errors import PhaseError, UnknownMetricError
from engine.experiment import Experiment, checkpoints
from engine.phases import Reporter, TrainPhase
from engine.samplers import SimpleSampler
from engine.saving import write_file
from tests.engine.small_experiments import classes, classifier, cross_entropy


class Scripted(Callback):
    """Logs a metric whose values are known beforehand; None logs nothing in that epoch."""

    def __init__(self, values, name="score", **options):
        super().__init__(**options)
        self.values, self.name = values, name

    @property
    def metric_names(self):
        return (self.name,)

    def on_epoch_end(self, *, exec_ctx, **_):
        value = self.values[exec_ctx.epoch_idx]
        if value is None:
            return None
        each = value if isinstance(value, list) else [value]
        return [
            MetricResult(callback_label=f"{place}", metric_name=self.name, metric_value=one)
            for place, one in enumerate(each)
        ]


def experiment_with(values, *callbacks, n_epochs=None, **options):
    experiment = Experiment("small", seed=4)
    classifier(classes(), lr=0.05)
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=36),
        losses=[cross_entropy()],
        n_epochs=n_epochs or len(values),
        callbacks=[Scripted(values), *callbacks],
        **options,
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def trained(values, **arguments):
    """The early stopping after a training in which the metric had these values."""
    stopping = EarlyStopping(monitor="score", **arguments)
    experiment_with(values, stopping, result_recording="none").run()
    return stopping


class TestWhenItStops:
    def test_after_patience_epochs_without_a_better_value(self):
        stopping = trained([5.0, 4.0, 4.5, 4.2, 3.0, 2.0], patience=2)

        assert (stopping.best_epoch, stopping.best_value) == (1, 4.0)
        assert stopping.stopped_epoch == 3

    def test_a_better_value_starts_the_count_again(self):
        stopping = trained([5.0, 6.0, 4.0, 6.0, 3.0], patience=2)

        assert stopping.stopped_epoch is None
        assert stopping.best_epoch == 4

    def test_upwards_if_the_mode_is_max(self):
        stopping = trained([0.5, 0.7, 0.6, 0.65, 0.9], mode="max", patience=2)

        assert (stopping.best_epoch, stopping.stopped_epoch) == (1, 3)

    def test_a_gain_of_less_than_min_delta_is_none(self):
        stopping = trained([1.0, 0.95, 0.92, 0.85, 0.0], min_delta=0.1, patience=2)

        assert (stopping.best_epoch, stopping.stopped_epoch) == (0, 2)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_what_is_not_finite_is_never_best(self, bad):
        stopping = trained([bad, 3.0, bad, bad, 1.0], patience=2)

        assert (stopping.best_epoch, stopping.best_value) == (1, 3.0)
        assert stopping.stopped_epoch == 3

    def test_epochs_without_the_metric_do_not_count(self):
        stopping = trained([1.0, None, None, None, 2.0, None, 3.0, 0.0], patience=2)

        assert stopping.stopped_epoch == 6

    @pytest.mark.parametrize(
        ("reducer", "value"), [("mean", 3.0), ("sum", 9.0), ("first", 4.0), ("last", 2.0)]
    )
    def test_several_values_of_an_epoch_are_reduced(self, reducer, value):
        assert trained([[4.0, 3.0, 2.0]], reducer=reducer).best_value == value

    def test_it_begins_anew_with_every_phase(self):
        stopping = EarlyStopping(monitor="score", patience=1)
        experiment = experiment_with([1.0, 2.0, 3.0], stopping)
        experiment.run()
        results = experiment.run()

        assert results.get_train_result().n_epochs == 2
        assert stopping.stopped_epoch == 1


class TestAnUnknownMetric:
    def test_is_an_error_at_the_first_epoch_that_names_the_nearest_and_all(self):
        experiment = experiment_with([1.0] * 9, EarlyStopping(monitor="scor"))

        with pytest.raises(UnknownMetricError) as caught:
            experiment.run()
        assert str(caught.value) == (
            "Nothing logs the metric 'scor'. Did you mean 'score'? Known: score, train_loss."
        )

        assert experiment.last_run.results["train"].n_epochs == 1

    def test_one_that_is_announced_but_rare_is_waited_for(self):
        assert trained([None, None, 1.0]).best_epoch == 2

    def test_lists_what_there_is_if_nothing_is_near(self):
        experiment = experiment_with([1.0], EarlyStopping(monitor="zzz"))

        with pytest.raises(UnknownMetricError, match="Known: score, train_loss"):
            experiment.run()


class Weights(Reporter):
    """The weights at the end of every epoch."""

    def __init__(self, experiment):
        self.experiment, self.seen = experiment, []

    def epoch_ended(self, *, path, epoch, step):
        self.seen.append(self.experiment.model_graph.get_weights()["net"])


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


class TestRestoringTheBest:
    def run(self, values, **options):
        stopping = EarlyStopping(monitor="score", restore_best=True, patience=2)
        experiment = experiment_with(values, stopping, **options)
        seen = Weights(experiment)
        experiment.add_reporter(seen)
        results = experiment.run().get_train_result()
        return experiment.model_graph.get_weights()["net"], seen.seen, results

    def test_puts_its_weights_and_buffers_back_at_the_end(self):
        final, seen, results = self.run([3.0, 1.0, 2.0, 2.0, 0.0])

        assert len(seen) == 4
        assert equal(final, seen[1])
        assert not equal(final, seen[3])
        outcome = results.callbacks().where(kind="early_stopping").one()
        assert (outcome.best_epoch, outcome.best_value) == (1, 1.0)
        assert (outcome.stopped_epoch, outcome.restored) == (3, True)
        assert (outcome.callback_label, outcome.edge, outcome.scope) == (
            "EarlyStopping",
            "end",
            "phase",
        )

    def test_without_a_finite_value_the_last_weights_stay_with_a_warning(self):
        with pytest.warns(UserWarning, match="'score' was never a finite number"):
            final, seen, results = self.run([math.nan, math.nan])

        assert equal(final, seen[1])
        assert results.callbacks().where(kind="early_stopping").one().restored is False

    def test_keeps_the_best_epochs_batches_if_only_the_last_are_recorded(self):
        _, _, results = self.run([3.0, 1.0, 2.0, 2.0], result_recording="last")

        assert results.execution_contexts().axis_values("epoch") == [1]

    def test_without_it_the_last_epochs_batches_are_kept(self):
        experiment = experiment_with(
            [3.0, 1.0, 2.0], EarlyStopping(monitor="score"), result_recording="last"
        )

        results = experiment.run().get_train_result()

        assert results.execution_contexts().axis_values("epoch") == [2]
        assert results.n_epochs == 3


class TestGoingOn:
    def experiment(self, patience, n_epochs, values=(3.0, 1.0, 2.0, 2.0, 0.5, 4.0, 4.0, 4.0)):
        with ExperimentContext().activate():
            stopping = EarlyStopping(monitor="score", restore_best=True, patience=patience)
            return experiment_with(list(values), stopping, n_epochs=n_epochs), stopping

    def saved(self, tmp_path, patience=2, n_epochs=8):
        experiment, stopping = self.experiment(patience, n_epochs)

        class Save(Reporter):
            def epoch_ended(self, *, path, epoch, step):
                self.last = experiment.write_checkpoint(tmp_path / f"{epoch}.ckpt")

        experiment.add_reporter(save := Save())
        experiment.run()
        return save.last, stopping, experiment

    def test_a_stop_stays_even_with_more_epochs(self, tmp_path):
        last, _, first = self.saved(tmp_path)
        experiment, stopping = self.experiment(2, 99)
        experiment.restore_checkpoint(last.path)

        results = experiment.resume().get_train_result()

        assert results.n_epochs == 4
        assert stopping.stopped_epoch == 3
        restored = experiment.model_graph.get_weights()["net"]
        assert equal(restored, first.model_graph.get_weights()["net"])

    def test_with_more_patience_it_goes_on_as_if_it_always_had_it(self, tmp_path):
        last, _, _ = self.saved(tmp_path)
        experiment, stopping = self.experiment(3, 8)
        experiment.restore_checkpoint(last.path)
        experiment.resume()
        patient, expected = self.experiment(3, 8)
        patient.run()

        assert stopping.get_state() == expected.get_state()
        assert stopping.stopped_epoch == 7
        final = experiment.model_graph.get_weights()["net"]
        assert equal(final, patient.model_graph.get_weights()["net"])

    def test_the_best_weights_are_a_file_of_their_own_that_stays_the_same(self, tmp_path):
        last, _, _ = self.saved(tmp_path)

        names = sorted(path.name for path in tmp_path.glob("best-*"))
        assert len(names) == 2  # of epochs 0 and 1
        assert last.best.path.name in names
        assert last.best.sha256.startswith(last.best.path.stem.removeprefix("best-"))

    def test_the_best_weights_are_written_once_per_best_epoch(self, tmp_path, monkeypatch):
        written = []

        def counting(path, kind, payload, **options):
            written.append(kind)
            return write_file(path, kind, payload, **options)

        monkeypatch.setattr(checkpoints, "write_file", counting)
        self.saved(tmp_path)

        assert written.count(checkpoints.KIND) == 4
        assert written.count(checkpoints.BEST_KIND) == 2

    def test_the_checkpoint_refuses_to_do_without_it(self, tmp_path):
        last, _, _ = self.saved(tmp_path)
        last.best.path.unlink()
        experiment, _ = self.experiment(2, 8)

        from engine.errors import CheckpointError

        with pytest.raises(CheckpointError, match=f"{last.best.path.name}, and that file is not"):
            experiment.restore_checkpoint(last.path)

    def test_a_changed_one_is_noticed(self, tmp_path):
        from engine.errors import FileFormatError

        last, _, _ = self.saved(tmp_path)
        other = next(path for path in tmp_path.glob("best-*") if path != last.best.path)
        last.best.path.write_bytes(other.read_bytes())
        experiment, _ = self.experiment(2, 8)

        with pytest.raises(FileFormatError, match="another file than expected"):
            experiment.restore_checkpoint(last.path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "lowest"}, "'min' or 'max', not 'lowest'"),
        ({"patience": 0}, "at least 1, not 0"),
        ({"min_delta": -0.1}, "at least 0, not -0.1"),
        ({"min_delta": math.nan}, "at least 0, not nan"),
        ({"reducer": "median"}, "'median' is no reducer"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(PhaseError, match=message):
        EarlyStopping(**arguments)


def test_the_configuration_makes_an_equal_one():
    made = EarlyStopping(monitor="accuracy", mode="max", patience=3, restore_best=True, label="x")

    again = EarlyStopping.from_config(made.get_config())

    assert again.get_config() == made.get_config()
    assert (again.monitor, again.mode, again.restore_best, again.label) == (
        "accuracy",
        "max",
        True,
        "x",
    )
