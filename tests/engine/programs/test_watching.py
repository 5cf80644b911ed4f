"""A program that watches its training: callbacks of every kind, and checkpoints."""

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    Callback,
    Checkpointing,
    EarlyStopping,
    EvalLossMetric,
    EvalPhase,
    Evaluation,
    Experiment,
    ExperimentCallback,
    FeatureSet,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    PhaseGroup,
    SimpleSampler,
    TrainPhase,
)
from engine.callbacks import EvaluationMetric, MetricCallback, MetricResult
from engine.models.torch import SequentialMLP


class WorstError(EvaluationMetric):
    """The largest miss of an evaluation."""

    def __init__(self, *, name="worst", node="net"):
        super().__init__(name=name)
        self.node = node

    def extract(self, *, eval_result, exec_ctx=None):
        outputs = eval_result.stacked_tensors(self.node, "outputs", fmt="np")
        targets = eval_result.stacked_tensors(self.node, "targets", fmt="np")
        return MetricResult(
            metric_name=self.metric_name, metric_value=float(np.abs(outputs - targets).max())
        )

    def get_config(self):
        return {"name": self.metric_name, "node": self.node}


class Speed(MetricCallback):
    """A metric of every batch, without an evaluation."""

    def on_batch_end(self, *, experiment, phase, exec_ctx, results=None):
        return MetricResult(metric_name=self.metric_name, metric_value=exec_ctx.batch_idx + 0.5)

    def get_config(self):
        return {"name": self.metric_name}


class Diary(Callback):
    """Writes down every hook, and returns something from each."""

    def __init__(self, label=None, execution_order=0, lines=None):
        super().__init__(label=label, execution_order=execution_order)
        self.lines = [] if lines is None else lines

    def get_config(self):
        return {"label": self.label, "execution_order": self.execution_order}

    def note(self, hook, exec_ctx=None):
        place = () if exec_ctx is None else (exec_ctx.epoch_idx, exec_ctx.batch_idx)
        self.lines.append((self.label, hook, *place))
        return f"{self.label} at {hook}"

    def on_phase_start(self, *, experiment, phase, results=None):
        return self.note("phase start")

    def on_phase_end(self, *, experiment, phase, results=None):
        return self.note("phase end")

    def on_epoch_start(self, *, experiment, phase, exec_ctx, results=None):
        return self.note("epoch start", exec_ctx)

    def on_epoch_end(self, *, experiment, phase, exec_ctx, results=None):
        return self.note("epoch end", exec_ctx)

    def on_batch_start(self, *, experiment, phase, exec_ctx, results=None):
        assert not exec_ctx.outputs
        return self.note("batch start", exec_ctx)

    def on_batch_end(self, *, experiment, phase, exec_ctx, results=None):
        assert exec_ctx.outputs["net"].batch_size
        # A callback may turn everything upside down and leave it like that.
        experiment.model_graph.freeze()
        return self.note("batch end", exec_ctx)

    def on_exception(self, *, experiment, phase, exec_ctx, exception, results=None):
        return self.note(f"{type(exception).__name__}: {exception}", exec_ctx)


class Chronicle(ExperimentCallback):
    def __init__(self, *, label=None, execution_order=0, lines=None):
        super().__init__(label=label, execution_order=execution_order)
        self.lines = [] if lines is None else lines

    def get_config(self):
        return {"label": self.label, "execution_order": self.execution_order}

    def on_experiment_start(self, *, experiment):
        self.lines.append(f"{self.label}: {experiment.label} starts")

    def on_experiment_end(self, *, experiment):
        self.lines.append(f"{self.label}: {experiment.label} ends")

    def on_phase_start(self, *, experiment, phase):
        self.lines.append(f"{self.label}: {phase.label} starts")

    def on_phase_end(self, *, experiment, phase):
        self.lines.append(f"{self.label}: {phase.label} ends")

    def on_group_start(self, *, experiment, phase_group):
        self.lines.append(f"{self.label}: group {phase_group.label} starts")

    def on_group_end(self, *, experiment, phase_group):
        self.lines.append(f"{self.label}: group {phase_group.label} ends")

    def on_exception(self, *, experiment, phase=None, exception):
        self.lines.append(f"{self.label}: {phase and phase.label} fails, {exception}")


@pytest.fixture
def experiment(tmp_path):
    experiment = Experiment("watched", seed=5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype("float32")
    noise = rng.normal(size=64).astype("float32")
    data = FeatureSet.from_dict(
        "data", {"x": x, "y": x.sum(axis=1) + noise}, feature_keys="x", target_keys="y"
    )
    data.split_random({"train": 0.5, "val": 0.25, "test": 0.25}, seed=1)
    net = ModelNode("net", SequentialMLP(n_layers=3, hidden_dim=64), data)
    graph = ModelGraph([net], optimizer=Optimizer("adam", opt_kwargs={"lr": 0.02}, backend="torch"))
    graph.build()
    experiment.set_checkpoint_dir(tmp_path / "checkpoints")
    return experiment


@pytest.fixture
def mse():
    return AppliedLoss(
        loss=Loss("mse", backend="torch"), on="net", inputs=["outputs", "targets"], label="mse"
    )


def training(mse, **options):
    return TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=16, shuffle=True, seed=2),
        losses=[mse],
        **{"n_epochs": 2, **options},
    )


def weights(experiment):
    return torch.cat([one.detach().ravel() for one in experiment.ctx.get_node("net").parameters])


class TestEarlyStopping:
    def test_stops_and_goes_back_to_the_best_epoch(self, experiment, mse):
        evaluation = Evaluation.from_split(
            label="watch",
            split="val",
            batch_size=5,
            metrics=[EvalLossMetric(loss=mse, reducer="mean", name="val_loss"), WorstError()],
        )
        stopping = EarlyStopping(
            monitor="val_loss", mode="min", patience=3, min_delta=0.0, restore_best=True
        )
        phase = training(mse, n_epochs=200, result_recording="last")
        phase.add_callback(evaluation)
        phase.add_callback(stopping)

        results = experiment.run_phase(phase)

        values = results.metrics().select(name="val_loss", batch=None)
        best = int(np.argmin(values))
        assert 4 < len(values) < 200
        assert stopping.best_epoch == best == len(values) - 4
        assert stopping.best_value == values[best]
        assert stopping.stopped_epoch == len(values) - 1
        assert results.metric_names() == ["train_loss", "val_loss", "worst"]
        [result] = results.callbacks().select(kind="early_stopping")
        assert (result.best_epoch, result.restored) == (best, True)
        # What is kept of the training is the best epoch too.
        assert results.execution_contexts().axis_values("epoch") == [best]
        again = experiment.run_phase(
            EvalPhase.from_split("again", split="val", losses=[mse], batch_size=5)
        )
        assert again.aggregated_losses("net", reducer="mean")["mse"] == pytest.approx(values[best])

    def test_the_evaluations_themselves_can_be_asked(self, experiment, mse):
        phase = training(
            mse,
            n_epochs=4,
            callbacks=[
                Evaluation(
                    eval_phase=EvalPhase.from_split("watch", split="val", losses=[mse]),
                    every_n_epochs=2,
                    run_on_start=True,
                    metrics=[WorstError(name="first"), WorstError(name="second")],
                )
            ],
        )
        phase.callbacks[0].attach_metric(WorstError(name="third"))
        results = experiment.run_phase(phase)

        found = results.callbacks().where(kind="evaluation")
        assert found.axes == ("kind", "label", "epoch", "batch", "edge")
        assert found.axis_values("epoch") == [None, 1, 3]
        last = found.last().get_eval_results()
        assert last.aggregated_losses("net").keys() == {"mse"}
        assert found.last().stacked_tensors("net", "outputs").shape == (16, 1)
        assert found.last().source_view("net").n_samples == 16
        assert found.last().n_batches == 1
        for name in ("first", "second", "third"):
            metrics = results.metrics().where(name=name)
            assert metrics.axis_values("epoch") == [-1, 1, 3]
            assert len(results.callbacks().select(kind="metric", label=name)) == 3


class TestOwnCallbacks:
    def test_are_called_at_every_hook_in_their_order(self, experiment, mse):
        lines = []
        phase = training(
            mse,
            n_epochs=1,
            callbacks=[Diary("second", 2, lines), Diary("first", 1, lines), Speed(name="speed")],
        )
        before = weights(experiment).clone()

        results = experiment.run_phase(phase)

        hooks = [
            ("phase start",),
            ("epoch start", 0, 0),
            ("batch start", 0, 0),
            ("batch end", 0, 0),
            ("batch start", 0, 1),
            ("batch end", 0, 1),
            ("epoch end", 0, 1),
            ("phase end",),
        ]
        assert lines == [(who, *hook) for hook in hooks for who in ("first", "second")]
        assert not experiment.model_graph.frozen_nodes
        assert not torch.equal(weights(experiment), before)
        payloads = results.callbacks().where(kind="payload", label="first")
        assert len(payloads) == len(hooks)
        assert payloads.at(kind="payload", label="first", epoch=0, batch=1, edge="end").payload == (
            "first at batch end"
        )
        assert payloads.first().scope == "phase"
        assert results.metrics().select(name="speed") == [0.5, 1.5]

    def test_hear_of_errors_wherever_they_come_from(self, experiment, mse):
        class Breaking(Callback):
            def get_config(self):
                return {}

            def on_batch_end(self, *, experiment, phase, exec_ctx, results=None):
                raise ArithmeticError("too much")

        lines, chronicle = [], []
        experiment.add_callback(Chronicle(label="c", lines=chronicle))
        phase = training(mse, callbacks=[Diary("d", 0, lines), Breaking()])
        with pytest.raises(ArithmeticError, match="too much"):
            experiment.run_phase(phase)
        assert lines[-1] == ("d", "ArithmeticError: too much", 0, 0)
        assert chronicle == ["c: train starts", "c: train fails, too much"]
        assert experiment.last_run.status == "failed"

    def test_of_an_experiment_see_all_that_it_runs(self, mse, experiment):
        lines = []
        experiment.add_callback(Chronicle(label="late", execution_order=3, lines=lines))
        experiment.add_callback(Chronicle(label="early", execution_order=1, lines=lines))
        assert [one.label for one in experiment.exp_callbacks] == ["early", "late"]
        test = EvalPhase.from_split("test", split="test", losses=[mse])
        experiment.execution_plan.add_group(PhaseGroup("all", [training(mse), test]))

        experiment.run()

        told = ["watched starts", "group all starts", "train starts", "train ends", "test starts"]
        told += ["test ends", "group all ends", "watched ends"]
        assert [line for line in lines if line.startswith("early")] == [f"early: {x}" for x in told]
        assert lines[0::2] == [f"early: {one}" for one in told]
        assert lines[1::2] == [f"late: {one}" for one in told]


class TestCheckpoints:
    def test_in_memory_are_states_of_the_graph(self, experiment, mse):
        checkpointing = Checkpointing(mode="memory", save_on="epoch_end", every_n=2)
        phase = training(mse, n_epochs=5, checkpointing=checkpointing)
        experiment.run_phase(phase)

        assert phase.checkpointing is checkpointing
        assert checkpointing.saved_keys == [1, 3]
        assert checkpointing.has_key(3)
        assert not checkpointing.has_key(2)
        assert checkpointing.get_path(3) is None
        after = weights(experiment).clone()
        experiment.model_graph.set_state(checkpointing.get_state(3))
        assert not torch.equal(weights(experiment), after)
        checkpointing.reset()
        assert checkpointing.saved_keys == []

    def test_on_disk_have_names_and_are_retained(self, experiment, mse, tmp_path):
        checkpointing = Checkpointing(
            mode="disk",
            save_on=["phase_start", "epoch_end"],
            name_template="{phase}-{epoch}",
            directory=tmp_path / "own",
            max_to_keep=2,
        )
        phase = training(mse, n_epochs=4)
        phase.set_checkpointing(checkpointing)
        seen = {}

        class Keep(Callback):
            def on_epoch_end(self, *, experiment, phase, exec_ctx, results=None):
                seen[exec_ctx.epoch_idx] = weights(experiment).clone()

        phase.add_callback(Keep())
        experiment.run_phase(phase)

        assert len(list((tmp_path / "own").iterdir())) == 2
        assert checkpointing.saved_keys == [2, 3]
        assert [checkpointing.get_path(key).is_file() for key in (2, 3)] == [True, True]
        assert set(experiment.available_checkpoints) == {"train-2", "train-3"}
        for name, key in (("train-2", 2), ("train-3", 3)):
            experiment.restore_checkpoint(name)
            assert torch.equal(weights(experiment), seen[key])
            experiment.model_graph.restore_checkpoint(checkpointing.get_path(key))
            assert torch.equal(weights(experiment), seen[key])
        with pytest.raises(ValueError, match="Known: train-2, train-3"):
            experiment.restore_checkpoint("train-7")

    def test_of_a_phase_without_a_directory_are_in_the_experiments(self, experiment, mse, tmp_path):
        phase = training(mse, checkpointing=Checkpointing(mode="disk", save_on="phase_end"))
        experiment.run_phase(phase)
        [path] = (tmp_path / "checkpoints" / "train").iterdir()
        assert path == phase.checkpointing.get_path(phase.checkpointing.saved_keys[0])

    def test_of_the_experiment_are_made_by_hand_and_at_its_hooks(self, experiment, mse, tmp_path):
        experiment.set_checkpointing(
            Checkpointing(mode="disk", save_on=["phase_end", "experiment_end"])
        )
        experiment.execution_plan.add_items(
            [training(mse), EvalPhase.from_split("test", split="test")]
        )
        experiment.run()
        assert set(experiment.available_checkpoints) == {"train", "test", "END"}
        after = weights(experiment).clone()
        path = experiment.save_checkpoint("mine", meta={"why": "to be sure"})
        with experiment.disable_checkpointing():
            experiment.run_phase(training(mse))
        assert set(experiment.available_checkpoints) == {"train", "test", "END", "mine"}
        assert len(experiment.history) == 2
        experiment.restore_checkpoint(path)
        assert torch.equal(weights(experiment), after)
        assert len(experiment.history) == 1
        with pytest.raises(ValueError, match="overwrite=True"):
            experiment.save_checkpoint("mine")
        assert experiment.save_checkpoint("mine", overwrite=True) == path
