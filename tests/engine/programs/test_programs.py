"""Whole programs, written against the public names alone."""

import numpy as np
import pandas as pd
import torch

from engine import AppliedLoss, Experiment, FeatureSet, ModelGraph, ModelNode, Optimizer
from engine.phases import EvalPhase, TrainPhase
from engine.samplers import SimpleSampler


def test_a_regression_is_trained_on_scaled_columns_and_asked_in_their_units():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"]).astype("float32")
    frame["y"] = 50 + 10 * (2 * frame["a"] - frame["b"])
    experiment = Experiment("regression", seed=1)
    data = FeatureSet.from_df("data", frame, feature_cols=["a", "b"], target_cols="y")
    data.split_random({"train": 0.75, "test": 0.25}, seed=2)
    data.fit_transform("StandardScaler", domain="targets", fit_to_split="train")
    columns = data.reference(features=["a", "b"], targets="y.transformed")
    node = ModelNode("net", torch.nn.Linear(2, 1), columns)
    ModelGraph([node], optimizer=Optimizer("adam", opt_kwargs={"lr": 0.1}))
    loss = AppliedLoss("mse", on="net")
    train = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=20, shuffle=True),
        losses=[loss],
        n_epochs=30,
    )
    trained = experiment.run_phase(train)
    tested = experiment.run_phase(EvalPhase.from_split("test", split="test", losses=[loss]))

    means = trained.losses("net").collapse("batch", "mean")
    assert means.shape[0] == 30
    outputs = tested.tensors("net", "outputs", unscale=True, fmt="np").collapse("batch", "concat")
    predicted = np.asarray(outputs.one()).reshape(-1)
    truth = data.get_split("test").get_targets("np", targets="y", rep="raw").reshape(-1)
    assert predicted.shape == truth.shape == (20,)
    assert np.abs(predicted - truth).mean() < 1
