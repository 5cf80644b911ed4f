import math

import pandas as pd
import pytest

from tracker.plots.fields.labels import LONGEST, line_labels, run_labels, shortened
from tracker.plots.fields.values import text_of


def labels(runs, keys=()):
    return list(run_labels(runs, keys).values())


def test_runs_are_called_by_their_names(runs):
    assert labels(runs("wide", "deep")) == ["wide", "deep"]


def test_pipelines_name_their_runs_where_that_is_enough(runs):
    assert labels(runs("r", "r-2", pipeline=["mlp", "cnn"])) == ["mlp", "cnn"]
    assert labels(runs("r", "r-2", pipeline=["mlp", "mlp"])) == ["r", "r-2"]
    assert labels(runs("r", "loop", pipeline=["mlp", None])) == ["r", "loop"]


def test_the_experiment_is_named_only_where_the_name_does_not_tell():
    same = pd.DataFrame({"name": ["a", "a"], "experiment": ["x", "y"]}, index=[1, 2])
    other = pd.DataFrame({"name": ["a", "b"], "experiment": ["x", "y"]}, index=[1, 2])

    assert labels(same) == ["x/a", "y/a"]
    assert labels(other) == ["a", "b"]


def test_parameters_that_differ_are_shown_where_names_are_not_enough(runs):
    params = {"optimizer.lr": [0.1, 0.01], "depth": [3, 3]}
    same = runs("a", "b", **params).assign(name="a")

    assert labels(same) == ["a lr=0.1", "a lr=0.01"]
    assert labels(runs("a", "b", **params)) == ["a", "b"]


def test_many_different_parameters_are_not_shown(runs):
    same = runs("a", "b", x=[1, 2], y=[1, 2], z=[1, 2]).assign(name="a")

    assert labels(same) == ["a", "a [2]"]


def test_parameters_asked_for_are_shown_in_any_case(runs):
    table = runs("a", "b", x=[1, 2], y=[1, 2], z=[1, 2], depth=[3, None])

    assert labels(table, ["params.z", "params.depth"]) == ["a z=1 depth=3", "b z=2 depth=none"]


def test_equal_ends_of_keys_are_written_in_full(runs):
    table = runs("a", "b", **{"model.rate": [1, 2], "optimizer.rate": [1, 2]}).assign(name="a")

    assert labels(table)[0] == "a model.rate=1 optimizer.rate=1"


def test_equal_labels_are_numbered():
    table = pd.DataFrame({"name": ["a", "a [2]", "a"]}, index=[1, 2, 3])

    assert labels(table) == ["a", "a [2]", "a [3]"]


def test_long_labels_keep_both_ends():
    label = shortened("head" + "-" * 80 + "tail")

    assert len(label) == LONGEST
    assert label.startswith("head")
    assert label.endswith("tail")
    assert shortened("x" * LONGEST) == "x" * LONGEST


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), (1e-5, "1e-05"), (3, "3"), (None, "none"), (math.nan, "none"), ("a", "a")],
)
def test_values_are_short(value, text):
    assert text_of(value) == text


def test_lines_say_only_what_differs_between_them():
    lines = [{"opt.lr": 0.1, "depth": 3, "act": None}, {"opt.lr": 0.2, "depth": 3, "act": "relu"}]

    assert line_labels(lines) == ["lr=0.1 act=none", "lr=0.2 act=relu"]


def test_names_need_no_field_beside_them():
    assert line_labels([{"run": "a", "metric": "m"}, {"run": "b", "metric": "m"}]) == ["a", "b"]


def test_lines_say_how_many_runs_they_are_of_where_they_differ_in_that():
    lines = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]

    assert line_labels(lines, [(2, 2)] * 3) == ["lr=0.1", "lr=0.2", "lr=0.3"]
    assert line_labels(lines, [(2, 2), (1, 1), (1, 3)]) == [
        "lr=0.1 (n=2)",
        "lr=0.2 (n=1)",
        "lr=0.3 (n=1-3)",
    ]


def test_equal_ends_of_line_fields_are_written_in_full():
    lines = [{"a.rate": 1, "b.rate": 2}, {"a.rate": 2, "b.rate": 1}]

    assert line_labels(lines)[0] == "a.rate=1 b.rate=2"
