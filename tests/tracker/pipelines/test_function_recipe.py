"""Recipes of the user's own: functions that return an experiment."""

import textwrap

import pytest
import torch

from tests.tracker.pipelines.small_lab import StopIn, points_of
from tracker.errors import ComponentError, ConfigurationError

RECIPE = """
    from torch import nn

    from engine import (
        AppliedLoss, EvalPhase, Experiment, FeatureSet, Loss, ModelGraph, ModelNode, Optimizer,
        SimpleSampler, TrainPhase,
    )
    from parts import points


    def two_stages(hidden, seed, epochs=2, patience=None):
        experiment = Experiment("two-stages", seed=seed)
        x, y = points()
        data = FeatureSet.from_dict("points", {"x": x, "y": y}, "x", "y")
        data.split_random({"train": 0.5, "test": 0.5})
        encoder = ModelNode("encoder", nn.Linear(4, hidden), data)
        head = ModelNode("head", nn.Linear(hidden, 3), encoder)
        ModelGraph([encoder, head], optimizer=Optimizer("adam", opt_kwargs={"lr": 0.01}))
        loss = AppliedLoss(Loss("crossentropy"), on=head)
        sampler = SimpleSampler(batch_size=8, shuffle=True)
        plan = experiment.execution_plan
        for label in ("first", "second"):
            plan.add_phase(
                TrainPhase.from_split(
                    label, split="train", sampler=sampler, losses=[loss], n_epochs=epochs
                )
            )
        plan.add_phase(EvalPhase.from_split("test", split="test", losses=[loss]))
        return experiment


    def seedless(hidden=2):
        return two_stages(hidden, None, 1)


    def wrong():
        return 3
"""


@pytest.fixture
def lab(lab):
    (lab.root / "recipes.py").write_text(textwrap.dedent(RECIPE))
    return lab


def config(**args):
    return {"recipe": "recipes:two_stages", "experiment": "stages", "seed": 3, "args": args}


def test_a_function_that_returns_an_experiment_is_a_recipe(lab):
    pipeline = lab.create("staged", config(hidden=5))
    outcome = pipeline.train(progress=False)

    assert outcome.sentence == "staged is finished."
    epochs = [key for key in points_of(lab, "staged") if key[:2] == ("train_loss", "epoch")]
    assert len(epochs) == 4
    assert sorted(pipeline.load_model("last")) == ["encoder", "head"]
    assert lab.runs().iloc[0]["params.args.hidden"] == 5


def test_the_seed_and_what_training_asks_for_reach_its_arguments(lab):
    same, other = (
        lab.create("one", config(hidden=5)),
        lab.create("two", {**config(hidden=5), "seed": 4}),
    )
    twin = lab.create("three", config(hidden=5), force=True)
    for pipeline in (same, other, twin):
        pipeline.train(3, progress=False)

    assert len([key for key in points_of(lab, "one") if key[:2] == ("train_loss", "epoch")]) == 6
    weights = [
        pipe.load_model("last")["head"].state_dict()["weight"] for pipe in (same, other, twin)
    ]
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])


def test_it_goes_on_where_it_was_interrupted(lab):
    whole = lab.create("whole", config(hidden=5))
    pieces = lab.create("pieces", config(hidden=5), force=True)
    whole.train(progress=False)
    for step in (2, 3, 8, 11):
        assert pieces.train(reporters=[StopIn(step)], progress=False).status == "stopped"
    pieces.train(progress=False)

    expected, found = points_of(lab, "whole"), points_of(lab, "pieces")
    assert found == expected
    for name, model in whole.load_model("last").items():
        other = pieces.load_model("last")[name]
        assert torch.equal(model.state_dict()["weight"], other.state_dict()["weight"])


def test_what_it_does_not_take_is_left_out_with_a_word(lab):
    outcome = lab.create("staged", config(hidden=5)).train(device="cpu", progress=False)

    assert outcome.notices == (
        "staged: device is left out: the recipe recipes:two_stages has no argument 'device'.",
    )


def test_one_without_a_seed_is_reproducible_all_the_same(lab):
    recipe = {"recipe": "recipes:seedless", "seed": 8}
    one, two = lab.create("one", recipe), lab.create("two", recipe, force=True)
    for pipeline in (one, two):
        pipeline.train(progress=False)

    assert points_of(lab, "one") == points_of(lab, "two")


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (config(), ComponentError, "recipe: recipes:two_stages needs the argument 'hidden'."),
        (config(hiden=3), ComponentError, "takes no argument 'hiden'. Did you mean 'hidden'?"),
        ({**config(hidden=3), "epochs": 3}, ConfigurationError, "there is no setting 'epochs'"),
        ({"recipe": "recipes:two"}, ComponentError, "recipes has no 'two'"),
        ({"recipe": "recipe:two"}, ComponentError, "Did you mean 'recipes'?"),
    ],
)
def test_it_is_checked_when_the_pipeline_is_created(lab, recipe, error, message):
    with pytest.raises(error) as caught:
        lab.create("staged", recipe)

    assert message in str(caught.value)


def test_one_that_returns_something_else_is_told_so(lab):
    pipeline = lab.create("staged", {"recipe": "recipes:wrong"})

    with pytest.raises(
        ComponentError, match=r"must return an engine\.Experiment, and returned a int"
    ):
        pipeline.train(progress=False)
    assert pipeline.status == "failed"
