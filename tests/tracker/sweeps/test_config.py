"""A configuration: a mapping whose keys are attributes too."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.pipelines.identity import canonical
from tracker.sweeps import Config
from tracker.sweeps.config import parameters


@pytest.fixture
def config():
    return Config({"lr": 0.1, "model": {"name": "mlp", "sizes": [{"width": 3}, 4]}})


def test_keys_are_attributes_at_every_depth(config):
    assert config.lr == config["lr"] == 0.1
    assert config.model.name == config["model"]["name"] == "mlp"
    assert config.model.sizes[0].width == 3
    assert {"lr", "model", "items"} <= set(dir(config))


def test_it_is_a_mapping(config):
    assert dict(**config) == config
    assert json.loads(json.dumps(config)) == config
    assert config.get("momentum", 0.9) == 0.9
    assert config.to_dict() == config
    assert type(config.to_dict()["model"]) is dict


def test_a_field_called_like_a_method_is_read_by_its_key():
    config = Config(items=3)

    assert config["items"] == 3
    assert list(config.items()) == [("items", 3)]


def test_an_unknown_field_suggests_the_nearest(config):
    with pytest.raises(AttributeError, match=r"no field 'modle'.* Did you mean 'model'"):
        _ = config.modle
    with pytest.raises(KeyError, match=r"no field named 'modle'. Did you mean 'model'"):
        config["modle"]
    assert not hasattr(config, "momentum")
    assert getattr(config, "momentum", None) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.__setitem__("lr", 1),
        lambda config: setattr(config, "lr", 1),
        lambda config: config.pop("lr"),
        lambda config: config.update(lr=1),
        lambda config: config.__ior__({"lr": 1}),
        lambda config: config.model.setdefault("lr", 1),
        lambda config: config.__delitem__("lr"),
        lambda config: config.clear(),
    ],
)
def test_it_does_not_change(config, change):
    before = canonical(config)
    with pytest.raises(InvalidError, match="does not change; make another one"):
        change(config)

    assert canonical(config) == before


def test_another_one_is_made_from_it(config):
    other = Config(config | {"lr": 1})

    assert (other.lr, config.lr) == (1, 0.1)
    changed = config.copy()
    changed["model"]["name"] = "cnn"
    assert config.model.name == "mlp"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0}, True),
        ({"a": math.nan}, {"a": math.nan}, True),
        ({"a": (1, 2)}, {"a": [1, 2]}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": 0.0}, {"a": -0.0}, True),
        ({"a": {1}}, {"a": [1]}, False),
    ],
)
def test_equal_are_those_that_mean_the_same(one, other, same):
    other = Config(other)

    assert (other == one) is same
    assert (one == other) is same
    assert (other != one) is not same
    if "a" not in one or not isinstance(one["a"], set):
        assert (len({Config(one), other}) == 1) is same


def test_a_configuration_equals_nothing_else(config):
    assert config != 3
    assert config != [("lr", 0.1)]


def test_numbers_of_numpy_and_tuples_become_plain():
    config = Config({"a": np.float64(0.5), "b": (np.int32(1), "x")}, c=True)

    assert config.to_dict() == {"a": 0.5, "b": [1, "x"], "c": True}
    assert [type(config.a), type(config.b), type(config.b[0])] == [float, list, int]


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(InvalidError, match=r"model.layers: a set cannot be kept"):
        Config(model={"layers": {1}})
    with pytest.raises(InvalidError, match="3 must be text"):
        Config({3: 1})


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 - ours
def test_it_survives_copying_and_pickling(config, again):
    found = again(config)

    assert found == config
    assert type(found.model) is Config


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), plain_values), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(values, random):
    keys = list(values)
    random.shuffle(keys)
    config, other = Config(values), Config({key: values[key] for key in keys})

    assert config == other
    assert hash(config) == hash(other)
    assert canonical(config.to_dict()) == canonical(values)


@pytest.mark.parametrize(
    ("config", "recorded"),
    [
        ({"lr": 1, "model": {"depth": 2}}, {"lr": 1, "model": {"depth": 2}}),
        ({"a": {"b": 1, "c": 2}, "a.b": 3}, {"a": {"c": 2}, "a.b": 3}),
        ({"a": {"b": {"c": 1}}, "a.b.c": 3}, {"a.b.c": 3}),
        ({"a": {"b": {"c": 1, "d": 1}, "e": {}}, "a.b": 3}, {"a": {"e": {}}, "a.b": 3}),
        ({"a.b": {"c": 1}, "a.b.c": 2}, {"a.b.c": 2}),
    ],
)
def test_what_a_dotted_key_replaces_is_not_recorded(config, recorded):
    assert parameters(config) == recorded
