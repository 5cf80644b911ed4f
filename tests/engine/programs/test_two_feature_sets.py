"""A program over two feature sets, whose branches a ConcatNode joins."""

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    BatchSchedulingPolicy,
    ConcatNode,
    EvalPhase,
    Experiment,
    FeatureSet,
    InputBinding,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    ResultRecording,
    SimpleSampler,
    TrainPhase,
)
from engine.models.torch import SequentialMLP


@pytest.fixture
def experiment():
    """Of `pulses` 45 samples are trained on, of `cycles` 30; 15 of each are tested on."""
    truth = np.random.default_rng(3).normal(size=60)
    experiment = Experiment(label="two sources", seed=4)
    pulses = FeatureSet.from_dict(
        label="pulses",
        data={
            "voltage": truth[:, None] * np.linspace(1, 2, 5) + 3.5,
            "soh": 80 + 10 * truth,
            "cell": [f"c{row % 6}" for row in range(60)],
        },
        feature_keys="voltage",
        target_keys="soh",
        tag_keys="cell",
    )
    cycles = FeatureSet.from_dict(
        label="cycles",
        data={"current": np.stack([truth, -truth], axis=1) * 20, "soh": 80 + 10 * truth},
        feature_keys=["current"],
        target_keys=["soh"],
    )
    pulses.split_random({"test": 0.25, "train": 0.75}, seed=5)
    cycles.split_random({"test": 0.25, "train": 0.5, "rest": 0.25}, seed=5)
    for feature_set, key in ((pulses, "voltage"), (cycles, "current")):
        for domain, keys in (("features", key), ("targets", "soh")):
            feature_set.fit_transform(
                "StandardScaler", domain=domain, keys=keys, fit_to_split="train"
            )
    left = ModelNode(
        label="left",
        model=SequentialMLP(output_shape=(1,), n_layers=1, hidden_dim=8),
        upstream_ref=pulses.reference(features="voltage", targets="soh", rep="transformed"),
    )
    right = ModelNode(
        label="right",
        model=SequentialMLP(output_shape=(1,), n_layers=1, hidden_dim=8),
        upstream_ref=cycles.reference(features="current", targets="soh", rep="transformed"),
    )
    joined = ConcatNode(
        label="joined", upstream_refs=[left, right], concat_axis=-1, concat_axis_targets="first"
    )
    head = ModelNode("head", SequentialMLP(n_layers=1, hidden_dim=8), joined)
    graph = ModelGraph(
        nodes=[left, right, joined, head],
        optimizer=Optimizer("adam", opt_kwargs={"lr": 0.01}, backend="torch"),
    )
    graph.build()
    return experiment


def mse(on):
    return AppliedLoss(
        Loss("mse", backend="torch"), on=on, inputs=["outputs", "targets"], label=f"mse of {on}"
    )


def phase(*losses, schedule="zip_strict", **options):
    return TrainPhase(
        label="train",
        input_sources=[
            InputBinding.for_training(
                node=node,
                sampler=SimpleSampler(batch_size=15, shuffle=True, seed=1),
                upstream=None,
                split="train",
            )
            for node in ("left", "right")
        ],
        losses=[mse(on) for on in losses],
        batch_schedule=schedule,
        **options,
    )


def evaluation():
    bindings = [
        InputBinding.for_evaluation(node=node, upstream=source, split="test")
        for node, source in (("left", "pulses"), ("right", "cycles"))
    ]
    return EvalPhase("test", input_sources=bindings, losses=[mse("head")], batch_size=4)


@pytest.mark.parametrize(
    ("schedule", "n_steps"),
    [
        ("zip_strict", 2),
        (BatchSchedulingPolicy.ZIP_CYCLE, 3),
        ("alternate_strict", 4),
        (BatchSchedulingPolicy.ALTERNATE_CYCLE, 6),
    ],
)
def test_every_schedule_trains_every_branch(experiment, schedule, n_steps):
    graph = experiment.model_graph
    joined = "zip" in BatchSchedulingPolicy.from_value(schedule).value
    losses, active = (["head"], None) if joined else (["left", "right"], ["left", "right"])
    before = graph.get_state()

    results = experiment.run_phase(
        phase(*losses, schedule=schedule, n_epochs=2, active_nodes=active)
    )

    assert results.execution_contexts().shape == (2, n_steps)
    after = graph.get_state()
    for label in ("left", "right", *losses):
        old, new = (state["nodes"][label]["model"]["weights"] for state in (before, after))
        assert any(not torch.equal(old[name], new[name]) for name in old), label


def test_what_was_learned_from_both_is_told_in_the_units_of_the_data(experiment):
    experiment.run_phase(phase("head", n_epochs=60, result_recording=ResultRecording.NONE))
    tested = experiment.run_phase(evaluation())

    asked = {"node": "head", "fmt": "np", "unscale": True}
    outputs = tested.stacked_tensors(domain="outputs", **asked)
    targets = tested.stacked_tensors(domain="targets", **asked)
    truth = experiment.ctx.get_node("pulses").get_split("test").get_targets("np", rep="raw")
    assert outputs.shape == targets.shape == truth.shape == (15, 1)
    assert np.allclose(targets, truth)
    assert np.abs(outputs - truth).mean() < 2
    assert tested.batch_indices == [0, 1, 2, 3]
    assert set(tested.source_views("head")) == {"pulses", "cycles"}
    assert tested.source_view("left").get_tags("np", tags="cell").shape == (15, 1)
    # The mean over samples, not over batches of four and three.
    squares = (
        tested.stacked_tensors("head", "outputs") - tested.stacked_tensors("head", "targets")
    ) ** 2
    assert tested.aggregated_losses("head")["mse of head"] == pytest.approx(float(squares.mean()))


class TestQueries:
    @pytest.fixture
    def trained(self, experiment):
        return experiment.run_phase(phase("head", "left", n_epochs=3, result_recording="all"))

    def test_of_losses(self, trained):
        losses = trained.losses(node="head")

        assert losses.axes == ("epoch", "batch", "label")
        assert losses.shape == (3, 2, 1)
        assert losses.axis_values("label") == ["mse of head"]
        assert losses.axes_values()["batch"] == [0, 1]
        first = losses.at(epoch=0, batch=0, label="mse of head")
        assert losses[0, 0, "mse of head"] is losses.first() is first
        assert first.auxiliary is None
        assert float(first.trainable) == first.to_float().total
        parts = [float(losses.where(epoch=2, batch=batch).trainable) for batch in (0, 1)]
        assert float(losses.where(epoch=2).trainable) == pytest.approx(sum(parts))
        assert len(losses.select(epoch=(0, 2), batch=lambda batch: batch > 0)) == 2
        assert losses.where(epoch=slice(1, None)).axis_values("epoch") == [1, 2]
        by_epoch = losses.collapse("batch", reducer="mean").squeeze()
        assert (by_epoch.axes, by_epoch.keys()) == (("epoch",), [0, 1, 2])
        summed = losses.collapse("batch", "sum").collapse("label", "first")
        assert float(summed[1].trainable) == pytest.approx(2 * float(by_epoch[1].trainable))

    def test_of_tensors_and_batches(self, trained):
        tensors = trained.tensors("head", "outputs", fmt="np")
        whole = tensors.collapse("batch", "concat")
        assert [len(value) for value in whole.values()] == [30, 30, 30]
        assert isinstance(tensors.last(sort_by="epoch"), np.ndarray)
        batches = trained.batches("head").to_format("np")
        assert batches.where(epoch=0).collapse("epoch", "first").shape == (2,)
        batch = batches.at(epoch=0, batch=1)
        assert batch.batch_size == 15
        assert np.array_equal(batch.outputs, tensors[0, 1])
        uuids = trained.tensors("left", "sample_uuids").where(epoch=1).collapse("batch", "concat")
        assert len(set(uuids.one())) == 30
        tags = trained.tensors("left", "tags").where(epoch=0, batch=0).one()
        assert set(np.unique(tags)) <= {f"c{number}" for number in range(6)}

    def test_of_contexts_and_metrics(self, trained):
        context = trained.execution_contexts().last()
        assert (context.phase_label, context.epoch_idx, context.batch_idx) == ("train", 2, 1)
        assert set(context.outputs) == {"left", "right", "joined", "head"}
        assert {label for _, label in context.losses} == {"mse of head", "mse of left"}
        metrics = trained.metrics()
        assert metrics.axes == ("name", "epoch", "batch")
        means = metrics.where(name="train_loss", batch=None).squeeze()
        batches = metrics.where(name="train_loss", batch=lambda batch: batch is not None)
        assert means.keys() == trained.epoch_indices == [0, 1, 2]
        for epoch, mean in means.items():
            assert float(mean) == pytest.approx(np.mean(batches.select(epoch=epoch)))
        assert trained.metric_names() == ["train_loss"]

    @pytest.mark.parametrize(
        ("recording", "epochs"), [("all", [0, 1, 2]), (ResultRecording.LAST, [2]), ("none", [])]
    )
    def test_answer_what_was_recorded(self, experiment, recording, epochs):
        trained = experiment.run_phase(phase("head", n_epochs=3, result_recording=recording))

        assert trained.execution_contexts().axis_values("epoch") == epochs
        assert len(trained.metrics().select(name="train_loss", batch=None)) == 3
