"""Metrics by name, and those the user brings."""

import numpy as np
import pytest

from tracker.pipelines.recipes.supervised.scores import SCORES, scores


@pytest.fixture
def made(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def share(targets, outputs, *, of=1):\n    return (targets == outputs).mean() / of\n"
    )

    def make(name, metric=None, *, scaled_target=False):
        return scores({name: metric or {}}, "val", tmp_path, scaled_target=scaled_target)[0]

    return make


@pytest.mark.parametrize("name", sorted(SCORES))
def test_each_known_one_measures(made, name):
    score = made(name)
    targets, outputs = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    value = score.function(*score.aligned(targets, outputs), **score.arguments)

    assert score.name == f"val_{name}"
    assert np.isfinite(value)


@pytest.mark.parametrize("name", ["mse", "rmse", "mae", "r2", "median_ae", "explained_variance"])
def test_values_are_in_the_targets_own_units_where_it_was_scaled(made, name):
    assert made(name, scaled_target=True).unscale
    assert not made(name).unscale


def test_classes_have_no_units(made):
    assert not made("accuracy", scaled_target=True).unscale


def test_a_function_of_the_users_own_is_one(made):
    metric = {"loc": "mine:share", "args": {"of": 2}}
    score = made("share", metric)

    assert score.name == "val_share"
    assert score.function(np.array([1, 1]), np.array([1, 0]), **score.arguments) == 0.25
    assert made("share", metric, scaled_target=True).unscale


def test_what_is_set_for_a_known_one_comes_on_top(made):
    assert made("f1", {"args": {"average": "micro"}}).arguments == {"average": "micro"}
