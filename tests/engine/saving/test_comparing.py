"""Whether a file holds a value's arrays already, and the value made again from them."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, SGDRegressor

from engine.saving import holds_arrays, read_file, with_arrays, without_arrays, write_file
from tests.engine.saving.test_round_trip import same

numbers = st.lists(st.floats(width=32), max_size=4)
arrays = st.one_of(
    numbers.map(torch.tensor),
    numbers.map(lambda values: np.array(values, np.float32)),
    st.integers(-5, 5).map(torch.tensor),
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.floats())
values = st.recursive(
    st.one_of(arrays, plain),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(0, 3)), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(value=values, before=values)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_it_holds_is_made_again_from_it(tmp_path, value, before):
    path = tmp_path / "file"
    write_file(path, "thing", {"before": before, "value": value})

    assert holds_arrays(path, "value", copy.deepcopy(value))
    saved, _ = read_file(path)
    rest = tmp_path / "rest"
    write_file(rest, "rest", {"rest": without_arrays(value)})
    assert same(with_arrays(read_file(rest)[0]["rest"], saved["value"]), value)


STATE = {
    "weights": {"w": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3)},
    "moments": {0: (np.ones(2), torch.tensor(3))},
    "rate": 0.1,
}


def changed(change):
    state = copy.deepcopy(STATE)
    change(state)
    return state


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["weights"]["w"][1, 2].add_(1),
        lambda state: state["weights"].update(b=-state["weights"]["b"]),  # -0.0
        lambda state: state["weights"].update(w=state["weights"]["w"].reshape(3, 2)),
        lambda state: state["weights"].update(b=state["weights"]["b"].double()),
        lambda state: state["weights"].update(b=torch.zeros(4)),
        lambda state: state["weights"].update(c=torch.zeros(3)),
        lambda state: state["moments"].update({0: (np.ones(2), torch.tensor(4))}),
        lambda state: state["moments"].update({0: (torch.ones(2), torch.tensor(3))}),
        lambda state: state.update(moments={1: state["moments"][0]}),
    ],
)
def test_any_other_array_is_noticed(tmp_path, change):
    path = tmp_path / "file"
    write_file(path, "thing", {"state": STATE})

    assert not holds_arrays(path, "state", changed(change))


def test_other_plain_values_and_arrays_that_are_no_more_do_not_matter(tmp_path):
    path = tmp_path / "file"
    write_file(path, "thing", {"state": STATE})

    assert holds_arrays(path, "state", changed(lambda state: state.update(rate=0.2)))
    assert holds_arrays(path, "state", changed(lambda state: state.pop("moments")))


def test_estimators_are_compared_by_what_they_have_learned(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    fitted = SGDRegressor(random_state=np.random.RandomState(3)).fit(x, x.sum(1))
    path = tmp_path / "file"
    write_file(path, "thing", {"state": {"first": LinearRegression(), "second": fitted}})

    again = {"first": LinearRegression(), "second": copy.deepcopy(fitted)}
    assert holds_arrays(path, "state", again)
    again["second"].partial_fit(x, x.sum(1))
    assert not holds_arrays(path, "state", again)
    assert not holds_arrays(path, "state", {"second": fitted})


@pytest.mark.parametrize("content", [b"", b"PK", b"something else"])
def test_a_file_that_cannot_be_read_holds_nothing(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert not holds_arrays(path, "state", STATE)
    assert not holds_arrays(tmp_path / "none", "state", STATE)


def test_a_place_that_is_missing_is_an_error():
    with pytest.raises(KeyError, match="missing"):
        with_arrays(without_arrays(STATE), {"weights": STATE["weights"]})
