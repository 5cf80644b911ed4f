import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from engine.callbacks import Accuracy, Callback, MetricCallback, R2Score
from engine.errors import GraphError, PhaseError
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, FitPhase, TrainPhase
from engine.results import EvalResults
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import (
    Log,
    assert_equal,
    classes,
    classifier,
    cross_entropy,
    line,
    mse,
    numbers,
)


@pytest.fixture
def experiment():
    return Experiment("small", seed=3)


class TestEvaluating:
    @pytest.fixture
    def graph(self, experiment):
        return classifier(classes())

    def test_covers_every_sample_once_in_order(self, experiment, graph):
        phase = EvalPhase.from_split("test", split="val", losses=[cross_entropy()], batch_size=5)

        results = experiment.run_phase(phase)

        split = experiment.ctx.get_node("clouds")["val"]
        assert [len(batch) for batch in results.batches("net").values()] == [5, 5, 5, 3]
        uuids = results.stacked_tensors("net", "sample_uuids")
        assert list(uuids) == list(split.get_sample_uuids())

    def test_all_samples_at_once_without_a_batch_size(self, experiment, graph):
        results = experiment.run_phase(EvalPhase.from_split("test", split="train"))

        assert results.n_batches == 1
        assert results.stacked_tensors("net", "outputs").shape == (72, 3)

    def test_changes_nothing(self, experiment, graph):
        graph.build()
        before = experiment.get_state()["graph"]
        graph.nodes["net"].module.train()
        modes = graph.frozen_state()

        experiment.run_phase(EvalPhase.from_split("test", split="train"))

        assert_equal(experiment.get_state()["graph"], before)
        assert graph.frozen_state() == modes
        assert experiment.step == 0

    def test_dropout_and_batch_statistics_are_off(self, experiment, graph):
        phase = EvalPhase.from_split("test", split="train")
        first, second = experiment.run_phase(phase), experiment.run_phase(phase)

        outputs = [one.stacked_tensors("net", "outputs") for one in (first, second)]
        assert torch.equal(*outputs)

    def test_logs_loss_and_metrics(self, experiment, graph):
        log = Log()
        experiment.add_reporter(log)
        phase = EvalPhase.from_split(
            "test", split="val", losses=[cross_entropy()], batch_size=7, metrics=[Accuracy()]
        )

        results = experiment.run_phase(phase)

        logged = results.last_metrics()
        assert logged.keys() == {"test_loss", "accuracy"}
        assert log.values == {
            ("test_loss", (0,), None, None, 0): logged["test_loss"],
            ("accuracy", (0,), None, None, 0): logged["accuracy"],
        }
        assert logged["test_loss"] == results.aggregated_losses("net")["net.crossentropy"]

    def test_a_callback_may_measure_too(self, experiment, graph):
        class Norm(MetricCallback):
            def on_phase_end(self, **_):
                return 1.5

        phase = EvalPhase.from_split(
            "test", split="val", callbacks=[Norm(name="norm")], metrics=[Accuracy(name="share")]
        )

        assert phase.metric_names == ["test_loss", "share", "norm"]
        assert experiment.run_phase(phase).last_metrics()["norm"] == 1.5
        with pytest.raises(PhaseError, match="'norm' already"):
            phase.attach_metric(Accuracy(name="norm"))

    def test_a_metric_with_a_name_that_is_taken_is_refused(self, experiment, graph):
        with pytest.raises(PhaseError, match="logs 'test_loss' already"):
            EvalPhase.from_split("test", split="val", metrics=[Accuracy(name="test_loss")])
        with pytest.raises(PhaseError, match="at least 1, or None"):
            EvalPhase.from_split("test", split="val", batch_size=0)

    def test_inputs_of_different_lengths_cannot_be_gone_over_side_by_side(self, experiment):
        for label, rows in (("a", 40), ("b", 24)):
            line(label, numbers(f"data-{label}", rows=rows))
        ModelGraph(optimizer=Optimizer("adam"))
        phase = EvalPhase.from_split("test", split="val", batch_size=4)

        with pytest.raises(PhaseError, match="samples: 10 for 'a' from 'data-a', 6 for 'b'"):
            experiment.run_phase(phase)

    def test_hooks_see_one_epoch(self, experiment, graph):
        calls = []

        class Spy(Callback):
            def on_phase_start(self, **_):
                calls.append("phase_start")

            def on_epoch_start(self, *, exec_ctx, **_):
                calls.append(("epoch_start", exec_ctx.epoch_idx))

            def on_batch_end(self, *, exec_ctx, **_):
                calls.append(("batch_end", exec_ctx.batch_idx))

            def on_phase_end(self, **_):
                calls.append("phase_end")

        experiment.run_phase(
            EvalPhase.from_split("test", split="val", batch_size=10, callbacks=[Spy()])
        )

        assert calls == [
            "phase_start",
            ("epoch_start", 0),
            ("batch_end", 0),
            ("batch_end", 1),
            "phase_end",
        ]

    def test_draws_the_graph(self, experiment, graph):
        assert "net" in str(EvalPhase.from_split("test", split="val").visualize())

    def test_the_callers_loop_gets_the_same_batches(self, experiment, graph):
        phase = EvalPhase.from_split("test", split="val", losses=[cross_entropy()], batch_size=5)
        expected = experiment.run_phase(phase)
        own = EvalResults("own")
        for context in phase.iter_execution(results=own):
            graph.eval_step(context, phase.losses)

        assert own.aggregated_losses("net") == expected.aggregated_losses("net")


class TestFitting:
    def test_an_estimator_learns_the_split_and_is_frozen(self, experiment):
        data = numbers("data", rows=60)
        graph = ModelGraph([ModelNode("ridge", Ridge(alpha=1e-6), data)])
        fit = FitPhase.from_split("fit", split="train", losses=[mse("ridge")])

        results = experiment.run_phase(fit)

        assert results.last_metrics()["fit_loss"] < 1e-6
        assert list(graph.frozen_nodes) == ["ridge"]
        test = EvalPhase.from_split("test", split="val", metrics=[R2Score()])
        assert experiment.run_phase(test).last_metrics()["r2"] > 0.999

    def test_what_it_gives_agrees_with_scikit_learn(self, experiment):
        data = classes()
        forest = RandomForestClassifier(7, random_state=1)
        ModelGraph([ModelNode("forest", forest, data)])
        experiment.run_phase(FitPhase.from_split("fit", split="train"))
        results = experiment.run_phase(EvalPhase.from_split("test", split="val"))

        train, val = data["train"], data["val"]
        expected = RandomForestClassifier(7, random_state=1).fit(
            train.get_features("np"), train.get_targets("np").ravel()
        )
        found = results.stacked_tensors("forest", "outputs", fmt="np").ravel()
        assert found.tolist() == expected.predict(val.get_features("np")).tolist()

    def test_a_stopped_one_is_begun_anew(self, experiment):
        class Stop(Callback):
            def on_batch_end(self, *, experiment, **_):
                experiment.request_stop()

        graph = ModelGraph([ModelNode("ridge", Ridge(), numbers("data"))])
        phase = FitPhase.from_split("fit", split="train", callbacks=[Stop()])
        experiment.run_phase(phase)
        assert experiment.last_run.status == "stopped"
        assert graph.frozen_nodes == {}
        phase.callbacks.clear()

        experiment.resume()

        assert experiment.last_run.status == "completed"
        assert list(graph.frozen_nodes) == ["ridge"]

    def test_stays_unfrozen_if_wanted(self, experiment):
        graph = ModelGraph([ModelNode("ridge", Ridge(), numbers("data"))])
        experiment.run_phase(FitPhase.from_split("fit", split="train", freeze_after_fit=False))

        assert graph.frozen_nodes == {}

    def test_its_outputs_feed_a_node_that_is_trained_later(self, experiment):
        ridge = ModelNode("ridge", Ridge(), numbers("data"))
        line("head", ridge, inputs=1)
        graph = ModelGraph(optimizer=Optimizer("adam"))
        experiment.run_phase(FitPhase.from_split("fit", split="train", active_nodes=["ridge"]))
        coefficients = graph.nodes["ridge"].model.estimator.coef_.copy()
        train = TrainPhase.from_split(
            "train",
            split="train",
            sampler=SimpleSampler(batch_size=10),
            losses=[mse("head")],
        )

        assert experiment.run_phase(train).n_epochs == 1
        assert np.array_equal(graph.nodes["ridge"].model.estimator.coef_, coefficients)

    def test_nothing_to_fit_is_an_error(self, experiment):
        classifier(classes())
        with pytest.raises(GraphError, match="nothing to fit"):
            experiment.run_phase(FitPhase.from_split("fit", split="train"))

    def test_a_preview_forgets_the_fit(self, experiment):
        graph = ModelGraph([ModelNode("ridge", Ridge(), numbers("data"))])
        experiment.preview_phase(FitPhase.from_split("fit", split="train"))

        assert graph.frozen_nodes == {}
        assert not graph.nodes["ridge"].model.is_fitted

    def test_a_fitted_experiment_is_saved_and_restored(self, experiment, tmp_path):
        data = numbers("data")
        ModelGraph([ModelNode("ridge", Ridge(), data)])
        experiment.run_phase(FitPhase.from_split("fit", split="train"))
        experiment.write_checkpoint(tmp_path / "fit.ckpt")
        test = EvalPhase.from_split("test", split="val", losses=[mse("ridge")])
        expected = experiment.run_phase(test).last_metrics()

        again = Experiment("small", seed=3)
        graph = ModelGraph([ModelNode("ridge", Ridge(), numbers("data"))])
        again.restore_checkpoint(tmp_path / "fit.ckpt")

        assert list(graph.frozen_nodes) == ["ridge"]
        same = EvalPhase.from_split("test", split="val", losses=[mse("ridge")])
        assert again.run_phase(same).last_metrics() == expected

    def test_losses_are_for_the_record_and_weighted_by_samples(self, experiment):
        ModelGraph([ModelNode("ridge", Ridge(), numbers("data"))])
        double = AppliedLoss("mse", on="ridge", weight=2.0, label="double")
        results = experiment.run_phase(
            FitPhase.from_split("fit", split="train", losses=[mse("ridge"), double])
        )

        losses = results.aggregated_losses("ridge")
        assert losses["double"] == pytest.approx(2 * losses["ridge.mse"])
        assert results.last_metrics()["fit_loss"] == pytest.approx(3 * losses["ridge.mse"])
