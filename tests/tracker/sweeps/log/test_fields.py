"""Fields derived, dropped and renamed."""

import math

import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps import ExperimentLog


@pytest.fixture
def log():
    log = ExperimentLog.from_fields(["opt", "lr"], ["loss", "acc"], {"model": "mlp", "width": 3})
    log.add_result({"opt": "sgd", "lr": 0.1}, loss=[0.9, 0.5], acc=0.5)
    log.add_result({"opt": "adam", "lr": 0.1}, loss=[0.7], acc=math.nan)
    log.add_result({"opt": "sam", "lr": 0.2}, acc=None)
    return log


def test_a_metric_is_derived_from_fields_of_every_kind(log):
    log.derive_field("score", lambda width, lr, loss: width * lr * loss[-1], "width", "lr", "loss")

    assert log.metric_fields == ["loss", "acc", "score"]
    assert [row.metrics.get("score") for row in log] == [
        pytest.approx(3 * 0.1 * 0.5),
        pytest.approx(3 * 0.1 * 0.7),
        None,
    ]


def test_a_field_of_the_grid_is_derived(log):
    log.derive_field("kind", lambda opt: [opt[0]] if opt != "sam" else None, "opt", is_index=True)

    assert log.grid_fields == ["opt", "lr", "kind"]
    assert log.grid_dict()["kind"] == [["s"], ["a"]]
    assert {"opt": "sgd", "lr": 0.1, "kind": ["s"]} in log
    assert "kind" not in log.rows[2].config


def test_nan_is_a_value_to_derive_from(log):
    log.derive_field("bad", math.isnan, "acc")

    assert [row.metrics.get("bad") for row in log] == [False, True, None]


@pytest.mark.parametrize("name", ["opt", "loss", "model"])
def test_a_derived_field_takes_no_name_that_is_taken(log, name):
    with pytest.raises(InvalidError, match=f"two fields called '{name}'"):
        log.derive_field(name, lambda lr: lr, "lr")

    assert log.all_fields == ["model", "width", "opt", "lr", "loss", "acc"]


def test_what_a_derivation_raises_changes_nothing(log):
    with pytest.raises(ZeroDivisionError):
        log.derive_field("x", lambda lr: lr / 0, "lr")
    with pytest.raises(InvalidError, match="x: a set cannot be kept"):
        log.derive_field("x", lambda lr: {lr}, "lr")
    with pytest.raises(NotFoundError, match=r"no field named 'los'. Did you mean 'loss'"):
        log.derive_field("x", abs, "los")

    assert "x" not in log.all_fields


def test_fields_of_every_kind_are_dropped(log):
    log.drop_fields(["opt", "acc", "width"])

    assert log.all_fields == ["model", "lr", "loss"]
    assert log.static_configs == {"model": "mlp"}
    assert [row.config for row in log] == [{"lr": 0.1}, {"lr": 0.1}, {"lr": 0.2}]
    assert [row.metrics for row in log] == [{"loss": [0.9, 0.5]}, {"loss": [0.7]}, {}]
    assert log[{"lr": 0.1}] == {"loss": [0.9, 0.5]}


def test_the_last_field_of_the_grid_can_be_dropped(log):
    log.drop_fields(["opt", "lr"])

    assert log.df.index.tolist() == [0, 1, 2]


def test_an_unknown_field_is_not_dropped(log):
    with pytest.raises(NotFoundError, match=r"no field named 'optt'. Did you mean 'opt'"):
        log.drop_fields(["acc", "optt"])
    with pytest.raises(InvalidError, match=r"as a list: \['acc'\]"):
        log.drop_fields("acc")

    assert "acc" in log.all_fields


def test_fields_of_every_kind_are_renamed_all_at_once(log):
    log.rename_fields({"model": "net", "opt": "lr", "lr": "opt", "acc": "accuracy"})

    assert log.all_fields == ["net", "width", "lr", "opt", "loss", "accuracy"]
    assert log.rows[0] == ({"lr": "sgd", "opt": 0.1}, {"loss": [0.9, 0.5], "accuracy": 0.5})
    assert {"lr": "sgd", "opt": 0.1, "net": "mlp"} in log


@pytest.mark.parametrize("names", [{"opt": "lr"}, {"loss": "acc"}, {"loss": "model"}])
def test_two_fields_cannot_get_one_name(log, names):
    with pytest.raises(InvalidError, match="cannot have two fields called"):
        log.rename_fields(names)
    with pytest.raises(NotFoundError, match="Did you mean 'loss'"):
        log.rename_fields({"los": "x"})

    assert log.all_fields == ["model", "width", "opt", "lr", "loss", "acc"]
