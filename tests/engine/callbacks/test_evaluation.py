import numpy as np
import pytest
import torch

from engine.callbacks import (
    Accuracy,
    Callback,
    EvalLossMetric,
    Evaluation,
    EvaluationMetric,
    MetricCallback,
)
from engine.callbacks import evaluation as evaluation_module
from engine.errors import PhaseError
from engine.experiment import Experiment
from engine.losses import AppliedLoss
from engine.phases import EvalPhase, TrainPhase, passing
from engine.phases.passing import PreparedEvaluation
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import Log, classes, classifier, cross_entropy


@pytest.fixture
def experiment():
    experiment = Experiment("small", seed=4)
    classifier(classes())
    return experiment


def training(*callbacks, n_epochs=2, **options):
    return TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=36),
        losses=[cross_entropy()],
        n_epochs=n_epochs,
        callbacks=list(callbacks),
        **options,
    )


def validation(**options):
    return Evaluation.from_split(
        label="val", split="val", losses=[cross_entropy()], batch_size=5, **options
    )


def epochs_of(results, name):
    return [entry.epoch_idx for entry in results.metrics().where(name=name, batch=None).values()]


class TestWhatIsLogged:
    def test_val_loss_is_the_mean_over_samples_however_they_are_batched(self, experiment):
        results = experiment.run_phase(training(validation()))
        whole = EvalPhase.from_split("all", split="val", losses=[cross_entropy()])

        expected = experiment.run_phase(whole).last_metrics()["all_loss"]

        # 18 samples in batches of 5, 5, 5, 3: a mean of the batches' means would differ.
        assert results.last_metrics()["val_loss"] == pytest.approx(expected, rel=1e-6)
        assert epochs_of(results, "val_loss") == [0, 1]

    def test_every_n_epochs(self, experiment):
        results = experiment.run_phase(training(validation(every_n_epochs=2), n_epochs=5))

        assert epochs_of(results, "val_loss") == [1, 3]

    def test_before_the_first_epoch_if_wanted(self, experiment):
        log = Log()
        experiment.add_reporter(log)
        results = experiment.run_phase(training(validation(run_on_start=True)))

        assert epochs_of(results, "val_loss") == [-1, 0, 1]
        assert [key[2:] for key in log.values if key[0] == "val_loss"] == [
            (None, None, 0),
            (0, None, 2),
            (1, None, 4),
        ]

    def test_a_loss_metric_takes_the_place_of_the_unnamed_one(self, experiment):
        loss = AppliedLoss("crossentropy", on="net", label="plain")
        weighted = AppliedLoss("crossentropy", on="net", weight=2.0, label="double")
        evaluation = validation(
            metrics=[EvalLossMetric(loss=loss), EvalLossMetric(loss=weighted, name="twice")]
        )

        logged = experiment.run_phase(training(evaluation)).last_metrics()

        assert logged.keys() == {"train_loss", "val_loss", "twice"}
        assert logged["twice"] == pytest.approx(2 * logged["val_loss"])
        assert [one.label for one in evaluation.eval_phase.losses] == [
            "net.crossentropy",
            "plain",
            "double",
        ]

    def test_a_sum_of_batches_if_wanted(self, experiment):
        mean = EvalLossMetric(loss=cross_entropy(), name="mean")
        total = EvalLossMetric(loss=cross_entropy(), name="total", reducer="sum")
        evaluation = Evaluation.from_split(label="val", split="val", metrics=[mean, total])

        logged = experiment.run_phase(training(evaluation)).last_metrics()

        assert logged["total"] == logged["mean"]  # one batch
        with pytest.raises(Exception, match="'mean' or 'sum', not 'max'"):
            EvalLossMetric(loss=cross_entropy(), reducer="max")

    def test_metrics_of_the_eval_phase_are_logged_too(self, experiment):
        phase = EvalPhase.from_split("val", split="val", metrics=[Accuracy()])
        results = experiment.run_phase(training(Evaluation(eval_phase=phase)))

        assert epochs_of(results, "accuracy") == [0, 1]

    def test_a_metric_of_ones_own_sees_the_evaluations_results(self, experiment):
        class Spread(EvaluationMetric):
            def extract(self, *, eval_result, exec_ctx=None):
                outputs = eval_result.stacked_tensors("net", "outputs", fmt="np")
                assert exec_ctx.epoch_idx in (0, 1)
                return outputs.std() if exec_ctx.epoch_idx else None

        results = experiment.run_phase(training(validation(metrics=[Spread(name="spread")])))

        assert epochs_of(results, "spread") == [1]


class TestNames:
    def test_two_evaluations_cannot_log_the_same(self, experiment):
        other = Evaluation.from_split(label="other", split="train", losses=[cross_entropy()])

        with pytest.raises(PhaseError, match="logs the metric 'val_loss' already"):
            training(validation(), other)

    def test_one_evaluation_cannot_measure_the_same_twice(self):
        Experiment("small", seed=4)
        classifier(classes())
        with pytest.raises(PhaseError, match="'accuracy' is measured already"):
            validation(metrics=[Accuracy(), Accuracy(threshold=0.5)])

    def test_a_metric_attached_later_is_checked_against_the_whole_phase(self, experiment):
        first = validation(metrics=[Accuracy()])
        second = Evaluation.from_split(label="second", split="train", metrics=[])
        training(first, second)

        with pytest.raises(PhaseError, match="'accuracy' is measured already"):
            second.attach_metric(Accuracy())

    def test_train_loss_is_taken(self):
        with pytest.raises(PhaseError, match="Training itself logs 'train_loss'"):
            Accuracy(name="train_loss")

    def test_two_callbacks_of_one_type_need_different_labels(self, experiment):
        with pytest.raises(PhaseError, match="has a Callback labelled 'a' already"):
            training(Callback("a"), Callback("a"))

    def test_a_callback_belongs_to_one_phase(self, experiment):
        callback = Callback("a")
        training(callback)
        with pytest.raises(PhaseError, match="belongs to the phase 'train' already"):
            EvalPhase.from_split("test", split="val", callbacks=[callback])


def test_columns_become_tensors_once_for_all_its_epochs(experiment, monkeypatch):
    made = []

    class Counting(PreparedEvaluation):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(evaluation_module, "PreparedEvaluation", Counting)
    monkeypatch.setattr(passing, "PreparedEvaluation", Counting)
    experiment.run_phase(training(validation(), n_epochs=3))

    assert len(made) == 1


class TestWhatIsLeftAlone:
    def test_training_is_the_same_with_and_without_it(self, experiment):
        state = experiment.get_state()
        with_it = experiment.run_phase(training(validation()))
        experiment.set_state(state)
        without = experiment.run_phase(training())

        assert with_it.metrics().select(name="train_loss") == (
            without.metrics().select(name="train_loss")
        )

    def test_its_own_randomness_is_the_same_in_every_epoch_and_resume(self, experiment):
        class Drawing(EvaluationMetric):
            def extract(self, *, eval_result, exec_ctx=None):
                return float(torch.rand(()))

        class Noise(Callback):
            def on_batch_end(self, **_):
                drawn.append(float(torch.rand(())))

        drawn = []
        phase = EvalPhase.from_split("val", split="val", callbacks=[Noise()])
        experiment.run_phase(training(Evaluation(eval_phase=phase)))

        assert drawn[0] == drawn[1]

    def test_the_eval_phases_stop_requests_are_not_the_trainings(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, phase, **_):
                phase.request_stop()

        evaluation = validation()
        evaluation.eval_phase.add_callback(Stop())

        assert experiment.run_phase(training(evaluation)).n_epochs == 2

    def test_one_that_has_begun_is_finished_before_the_run_stops(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, experiment, **_):
                experiment.request_stop()

        evaluation = validation()
        evaluation.eval_phase.add_callback(Stop())
        results = experiment.run_phase(training(evaluation))

        assert experiment.last_run.status == "stopped"
        assert experiment.cursor == ((0,), 1, 0, 2)
        assert results.callbacks().where(kind="evaluation").one().n_batches == 4


class TestItsResults:
    def test_are_kept_with_everything_that_eval_results_answer(self, experiment):
        results = experiment.run_phase(training(validation()))

        kept = results.callbacks().where(kind="evaluation")
        assert kept.axis_values("epoch") == [0, 1]
        last = kept.last()
        assert last.get_eval_results() is last.eval_results
        assert last.n_batches == 4
        assert last.batch_indices == [0, 1, 2, 3]
        assert last.stacked_tensors("net", "outputs").shape == (18, 3)
        assert last.stacked_batches("net").batch_size == 18
        assert last.source_view("net").n_samples == 18
        assert last.aggregated_losses("net").keys() == {"net.crossentropy"}

    @pytest.mark.parametrize(
        ("recording", "epochs"), [("all", [0, 1]), ("last", [1]), ("none", [])]
    )
    def test_follow_the_phases_recording(self, experiment, recording, epochs):
        results = experiment.run_phase(training(validation(), result_recording=recording))

        assert results.callbacks().where(kind="evaluation").axis_values("epoch") == epochs
        assert epochs_of(results, "val_loss") == [0, 1]


class TestHooks:
    def test_a_number_from_a_metric_callback_is_logged_where_it_was_measured(self, experiment):
        class Norm(MetricCallback):
            def on_batch_end(self, *, experiment, **_):
                weights = experiment.model_graph.get_weights()["net"]["layers.0.weight"]
                return float(weights.norm())

            def on_epoch_end(self, *, exec_ctx, **_):
                return exec_ctx.epoch_idx

        log = Log()
        experiment.add_reporter(log)
        results = experiment.run_phase(training(Norm(name="norm")))

        found = results.metrics().where(name="norm")
        assert [key[1:] for key in found] == [(0, 0), (0, 1), (0, None), (1, 0), (1, 1), (1, None)]
        assert [key[2:] for key in log.values if key[0] == "norm"] == [
            (0, 0, 1),
            (0, 1, 2),
            (0, None, 2),
            (1, 0, 3),
            (1, 1, 4),
            (1, None, 4),
        ]

    def test_a_number_at_the_phases_end_belongs_to_its_last_epoch(self, experiment):
        class Final(MetricCallback):
            def on_phase_end(self, **_):
                return 7

        log = Log()
        experiment.add_reporter(log)
        results = experiment.run_phase(training(Final(name="final")))

        assert results.metrics().where(name="final").keys() == [("final", 1, None)]
        assert log.values["final", (0,), None, None, 4] == 7.0

    def test_anything_else_is_wrapped_and_nothing_is_nothing(self, experiment):
        class Talking(Callback):
            def on_epoch_start(self, *, exec_ctx, **_):
                return {"epoch": exec_ctx.epoch_idx}

            def on_phase_end(self, **_):
                return None

        results = experiment.run_phase(training(Talking("talk")))

        kept = results.callbacks().squeeze().collapse("epoch", "last")
        assert results.callbacks().keys() == [
            ("payload", "talk", 0, None, "start"),
            ("payload", "talk", 1, None, "start"),
        ]
        assert kept.one().payload == {"epoch": 1}

    def test_are_called_in_order_with_their_contexts(self, experiment):
        calls = []

        class Spy(Callback):
            def on_phase_start(self, *, phase, **_):
                calls.append((self.label, "phase_start", phase.label))

            def on_epoch_start(self, *, exec_ctx, **_):
                assert exec_ctx.outputs == {}
                calls.append((self.label, "epoch_start", exec_ctx.epoch_idx, exec_ctx.batch_idx))

            def on_batch_start(self, *, exec_ctx, **_):
                assert exec_ctx.outputs == {}
                calls.append((self.label, "batch_start", exec_ctx.batch_idx))

            def on_batch_end(self, *, exec_ctx, **_):
                assert exec_ctx.outputs["net"].batch_size == 36
                calls.append((self.label, "batch_end", exec_ctx.batch_idx))

            def on_epoch_end(self, *, exec_ctx, **_):
                calls.append((self.label, "epoch_end", exec_ctx.epoch_idx, exec_ctx.batch_idx))

            def on_phase_end(self, *, phase, **_):
                calls.append((self.label, "phase_end", phase.label))

        experiment.run_phase(training(Spy("second", execution_order=5), Spy("first"), n_epochs=1))

        assert [call[1:] for call in calls if call[0] == "first"] == [
            ("phase_start", "train"),
            ("epoch_start", 0, 0),
            ("batch_start", 0),
            ("batch_end", 0),
            ("batch_start", 1),
            ("batch_end", 1),
            ("epoch_end", 0, 1),
            ("phase_end", "train"),
        ]
        assert [call[0] for call in calls] == ["first", "second"] * 8

    def test_what_a_hook_freezes_is_unfrozen_again(self, experiment):
        class Freezing(Callback):
            def on_batch_start(self, *, experiment, **_):
                experiment.model_graph.freeze()

        experiment.model_graph.build()
        before = experiment.model_graph.get_weights()["net"]["layers.0.weight"]
        experiment.run_phase(training(Freezing(), n_epochs=1))

        assert experiment.model_graph.frozen_nodes == {}
        after = experiment.model_graph.get_weights()["net"]["layers.0.weight"]
        assert not np.array_equal(before, after)

    def test_a_checkpoint_cannot_be_written_from_a_callback(self, experiment, tmp_path):
        class Saving(Callback):
            def on_epoch_end(self, *, experiment, **_):
                experiment.write_checkpoint(tmp_path / "x.ckpt")

        with pytest.raises(Exception, match="Save from a Reporter, or with a Checkpointing"):
            experiment.run_phase(training(Saving()))

    def test_a_phase_may_be_stopped_from_one_after_the_epoch(self, experiment):
        class Stop(Callback):
            def on_batch_start(self, *, phase, **_):
                phase.request_stop()

        results = experiment.run_phase(training(Stop(), n_epochs=5))

        assert results.n_epochs == 1
        assert len(results.execution_contexts()) == 2
        assert experiment.last_run.status == "completed"

    def test_is_epoch_end_is_true_in_the_last_batch(self, experiment):
        seen = []

        class Spy(Callback):
            def on_batch_end(self, *, phase, **_):
                seen.append(phase.is_epoch_end())

        experiment.run_phase(training(Spy()))

        assert seen == [False, True, False, True]
