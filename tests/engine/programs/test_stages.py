"""A program in stages: nodes with optimizers of their own, then an estimator on what they give."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier

from engine import (
    AppliedLoss,
    EvalPhase,
    Experiment,
    ExperimentContext,
    FeatureSet,
    FitPhase,
    InputBinding,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    SimpleSampler,
    TrainPhase,
)
from engine.models import ScikitModelWrapper, TorchModelWrapper, wrap_model
from engine.models.torch import SequentialMLP

FEATURES = ["a", "b", "c", "d"]


class Encoder(torch.nn.Module):
    """Gets to know its input's shape when the graph is built."""

    def __init__(self, input_shape, width=2):
        super().__init__()
        self.layer = torch.nn.Linear(input_shape[0], width)

    def forward(self, x):
        return torch.tanh(self.layer(x))


@pytest.fixture
def cells():
    Experiment(label="stages", seed=2)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(120, 4)).astype("float32"), columns=FEATURES)
    frame["kind"] = (frame["a"] + frame["b"] > 0).astype(int)
    frame["level"] = frame["a"] + frame["b"]
    frame["plate"] = rng.integers(0, 4, size=120)
    cells = FeatureSet.from_pandas(
        "cells",
        frame,
        feature_cols=FEATURES,
        target_cols=["kind", "level"],
        tag_cols=["plate"],
    )
    cells.split_random({"train": 0.75, "test": 0.25}, stratify_by="plate", seed=7)
    return cells


@pytest.fixture
def experiment(cells):
    return ExperimentContext.get_active().get_experiment()


def adam(lr=0.02):
    return Optimizer("adam", opt_kwargs={"lr": lr}, backend="torch")


def weights(node):
    return {name: value.clone() for name, value in node.model.get_weights().items()}


def changed(node, before):
    return any(not torch.equal(before[name], new) for name, new in node.model.get_weights().items())


def test_each_stage_learns_from_its_own_losses_with_its_own_optimizer(cells, experiment):
    encoder = ModelNode(
        "encoder",
        TorchModelWrapper(model_class=Encoder, model_kwargs={"width": 1}),
        cells.reference(features=FEATURES, targets="level"),
        adam(),
    )
    line = TorchModelWrapper(
        model_class=torch.nn.Linear, model_kwargs={"in_features": 1, "out_features": 1}
    )
    head = ModelNode("head", line, encoder, optimizer=adam())
    graph = ModelGraph(nodes=["encoder", head])
    graph.build()
    assert encoder.model.module.layer.in_features == 4
    mse = Loss("mse", backend="torch")
    losses = [
        AppliedLoss(mse, on="encoder", inputs=["outputs", "targets"], label="coarse"),
        AppliedLoss(
            mse, on=head, inputs={"input": "outputs", "target": "targets"}, weight=0.5, label="fine"
        ),
    ]
    train = TrainPhase.from_split(
        "both",
        split="train",
        sampler=SimpleSampler(batch_size=28, shuffle=True, stratify_by="plate", seed=3),
        losses=losses,
        n_epochs=20,
    )
    before = {node.label: weights(node) for node in (encoder, head)}

    trained = experiment.run_phase(train)

    for node in (encoder, head):
        assert changed(node, before[node.label])
        means = trained.losses(node).collapse("batch", "mean").squeeze().to_float()
        assert means.last().total < means.first().total * 0.8

    # Now the head alone, in a phase that leaves the encoder out of the training.
    graph.freeze(["encoder"])
    before = {node.label: weights(node) for node in (encoder, head)}
    rest = TrainPhase.from_split(
        "head only",
        split="train",
        sampler=SimpleSampler(batch_size=30),
        losses=losses[1:],
    )
    experiment.run_phase(rest)
    assert (encoder.is_frozen, head.is_frozen) == (True, False)
    assert list(graph.frozen_nodes) == ["encoder"]
    assert changed(head, before["head"])
    assert not changed(encoder, before["encoder"])

    graph.unfreeze()
    before = {node.label: weights(node) for node in (encoder, head)}
    experiment.run_phase(
        TrainPhase.from_split(
            "encoder only",
            split="train",
            sampler=SimpleSampler(batch_size=30),
            losses=losses[:1],
            active_nodes=[encoder],
        )
    )
    assert changed(encoder, before["encoder"])
    assert not changed(head, before["head"])
    assert not graph.frozen_nodes


class TestAnEstimatorOnAnEncoder:
    def graph(self, cells, estimator):
        encoder = ModelNode(
            "encoder",
            SequentialMLP(output_shape=(3,), n_layers=1, hidden_dim=8),
            cells.reference(features=FEATURES, targets="kind"),
        )
        classifier = ModelNode("classifier", estimator, upstream_ref=encoder)
        return encoder, classifier

    @pytest.mark.parametrize("freeze", [True, False])
    def test_is_fitted_on_what_the_encoder_gives(self, cells, experiment, freeze):
        encoder, classifier = self.graph(cells, LogisticRegression())
        graph = ModelGraph([encoder, classifier])
        before = None
        fit = FitPhase.from_split(
            "fit", split="train", active_nodes=[classifier], freeze_after_fit=freeze
        )

        results = experiment.run_phase(fit)

        assert classifier.is_frozen is freeze
        assert list(graph.frozen_nodes) == (["classifier"] if freeze else [])
        before = weights(encoder)
        inner = results.stacked_tensors("encoder", "outputs", fmt="np")
        kinds = results.stacked_tensors("classifier", "targets", fmt="np").ravel()
        plain = LogisticRegression().fit(inner, kinds)
        found = results.stacked_tensors("classifier", "outputs", fmt="np")
        assert np.array_equal(plain.predict(inner), found.ravel())
        assert inner.shape == (90, 3)
        assert results.source_view("classifier").n_samples == 90

        tested = experiment.run_phase(EvalPhase.from_split("test", split="test"))
        assert tested.stacked_batches("classifier", fmt="np").outputs.shape == (30, 1)
        assert not changed(encoder, before)
        assert classifier.is_frozen is freeze

    def test_goes_on_training_the_encoder_around_a_frozen_forest(self, cells, experiment):
        encoder, forest = self.graph(cells, RandomForestClassifier(5, random_state=0))
        ModelNode("guess", torch.nn.Linear(3, 2), encoder)
        graph = ModelGraph(nodes=None, optimizer=adam())
        assert set(graph.node_labels) == {"encoder", "classifier", "guess"}
        experiment.execution_plan.add_phase(
            FitPhase(
                "fit",
                input_sources=[
                    InputBinding.for_evaluation(node=encoder, upstream=cells, split="train")
                ],
                active_nodes=["classifier"],
            )
        )
        experiment.execution_plan.add_training(
            "train",
            input_sources=[
                InputBinding.for_training(
                    node="encoder",
                    sampler=SimpleSampler(batch_size=18, shuffle=True),
                    upstream=None,
                    split="train",
                )
            ],
            losses=[
                AppliedLoss(Loss("crossentropy", backend="torch"), "guess", ["outputs", "targets"])
            ],
            n_epochs=3,
        )
        graph.build()
        before = weights(encoder)

        results = experiment.run()

        assert results.labels == ["fit", "train"]
        assert results.get_train_result().n_epochs == 3
        assert forest.is_frozen
        assert changed(encoder, before)

    def test_learns_batch_by_batch_where_it_can(self, cells, experiment):
        model = wrap_model(SGDClassifier(random_state=0))
        assert isinstance(model, ScikitModelWrapper)
        assert model.supports_partial_fit
        model = ScikitModelWrapper(
            SGDClassifier(loss="log_loss", random_state=0),
            training_mode="partial_fit",
            partial_fit_kwargs={"classes": [0, 1]},
            output_method="predict_proba",
        )
        line = ModelNode("line", model, cells.reference(features=FEATURES, targets="kind"))
        ModelGraph([line])
        accuracy = Loss(
            lambda outputs, targets: (outputs.argmax(1) == targets.reshape(-1)).float().mean(),
            backend="torch",
        )
        experiment.run_phase(
            TrainPhase.from_split(
                "train",
                split="train",
                sampler=SimpleSampler(batch_size=10, shuffle=True, seed=1),
                losses=[
                    AppliedLoss(accuracy, on=line, inputs=["outputs", "targets"], label="hits")
                ],
                n_epochs=5,
            )
        )
        assert model.is_fitted
        tested = experiment.run_phase(
            EvalPhase.from_split(
                "test",
                split="test",
                losses=[
                    AppliedLoss(accuracy, on=line, inputs=["outputs", "targets"], label="hits")
                ],
            )
        )
        assert tested.aggregated_losses(line)["hits"] > 0.8
