"""The simplest things, as a user writes them."""

import ast
import inspect
import textwrap

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier
from torch.nn import Linear, ReLU, Sequential

from engine import (
    AppliedLoss,
    EvalPhase,
    Experiment,
    FeatureSet,
    FitPhase,
    ModelGraph,
    ModelNode,
    Optimizer,
    SimpleSampler,
    TrainPhase,
)
from engine.callbacks import Accuracy, R2Score


@pytest.fixture(scope="module")
def frame():
    return load_digits(as_frame=True).frame


def test_training_and_evaluating_on_a_dataframe_takes_ten_lines(frame):
    digits = FeatureSet.from_pandas("digits", frame, frame.columns[:-1], "target")
    digits.split_random({"train": 0.8, "test": 0.2})
    net = ModelNode("net", Sequential(Linear(64, 64), ReLU(), Linear(64, 10)), digits)
    ModelGraph([net], optimizer=Optimizer("adam"))
    loss, sampler = AppliedLoss("crossentropy", on=net), SimpleSampler(batch_size=32, shuffle=True)
    experiment = Experiment.from_active_context("digits", seed=1)
    train = TrainPhase.from_split(
        "train", split="train", sampler=sampler, losses=[loss], n_epochs=5
    )
    test = EvalPhase.from_split("test", split="test", losses=[loss], metrics=[Accuracy()])
    history = experiment.run_phase(train).metrics()
    scores = experiment.run_phase(test).last_metrics()

    losses = history.select(name="train_loss", batch=None)
    assert losses[-1] < losses[0] / 3
    assert scores["accuracy"] > 0.9
    assert scores.keys() == {"accuracy", "test_loss"}


def test_these_are_ten_lines_and_none_of_them_is_folded():
    source = inspect.getsource(test_training_and_evaluating_on_a_dataframe_takes_ten_lines)
    [function] = ast.parse(textwrap.dedent(source)).body
    program = [line for line in function.body if not isinstance(line, ast.Assert)][:-1]

    assert len(program) == 10
    # A line that is wrapped here is one of at most 110 characters.
    assert max(len(ast.unparse(line)) for line in program) <= 110
    assert not any(isinstance(line, ast.For | ast.With | ast.If) for line in program)


def test_a_scikit_learn_estimator_is_fitted_and_evaluated_by_the_same_parts(frame):
    digits = FeatureSet.from_pandas("digits", frame, frame.columns[:-1], "target")
    digits.split_random({"train": 0.8, "test": 0.2})
    ModelGraph([ModelNode("forest", RandomForestClassifier(20, random_state=0), digits)])
    experiment = Experiment.from_active_context("digits", seed=1)
    experiment.run_phase(FitPhase.from_split("fit", split="train"))
    test = EvalPhase.from_split("test", split="test", metrics=[Accuracy()])
    results = experiment.run_phase(test)

    assert results.last_metrics()["accuracy"] > 0.85
    assert results.stacked_tensors("forest", "outputs", fmt="np").shape[0] == 359


def test_a_regression_reads_the_same():
    frame = load_diabetes(as_frame=True, scaled=False).frame
    diabetes = FeatureSet.from_pandas("diabetes", frame, frame.columns[:-1], "target")
    diabetes.split_random({"train": 0.8, "test": 0.2})
    diabetes.fit_transform("StandardScaler", domain="features", fit_to_split="train")
    diabetes.fit_transform("StandardScaler", domain="targets", fit_to_split="train")
    ModelGraph([ModelNode("line", Linear(10, 1), diabetes)], optimizer=Optimizer("adam"))
    loss, sampler = AppliedLoss("mse", on="line"), SimpleSampler(batch_size=16, shuffle=True)
    experiment = Experiment.from_active_context("diabetes", seed=1)
    experiment.run_phase(
        TrainPhase.from_split("train", split="train", sampler=sampler, losses=[loss], n_epochs=40)
    )
    test = EvalPhase.from_split("test", split="test", metrics=[R2Score(unscale=True)])
    results = experiment.run_phase(test)

    assert results.last_metrics()["r2"] > 0.3
    targets = results.stacked_tensors("line", "targets", fmt="np", unscale=True)
    rows = diabetes["test"].to_pandas()
    assert pd.Series(targets.ravel()).round(2).tolist() == (
        rows["targets.target.raw"].round(2).tolist()
    )
