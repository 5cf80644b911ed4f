"""Whatever a dataset function returns becomes a feature set with its parts."""

import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets as sklearn_datasets

from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet
from tracker.errors import InvalidError, NotFoundError, TrackerError
from tracker.pipelines.recipes.supervised import datasets
from tracker.pipelines.recipes.supervised.datasets import load_data
from tracker.pipelines.recipes.supervised.scaling import scale

SPLIT = {"train": 0.5, "validate": 0.25, "test": 0.25}
FRAME = pd.DataFrame(
    {
        "a": np.arange(8),
        "b": np.arange(8) * 0.5,
        "kind": list("xyxyxyxy"),
        "who": [1, 1, 2, 2, 3, 3, 4, 4],
        "part": ["train"] * 4 + ["val"] * 2 + ["test"] * 2,
    }
)


@pytest.fixture(autouse=True)
def own_context():
    with ExperimentContext().activate():
        yield


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads what a dataset function returned, under a configuration."""

    def run(raw, **config):
        monkeypatch.setattr(datasets, "_raw", lambda *_: raw)
        return load_data({"dataset": {}, **config}, tmp_path)

    return run


def features_of(data, part=None):
    view = data.feature_set if part is None else data.feature_set[data.parts[part]]
    return view.get_features(fmt="numpy", features=data.features)


def targets_of(data, part=None):
    view = data.feature_set if part is None else data.feature_set[data.parts[part]]
    return view.get_targets(fmt="numpy", targets=data.targets)


def sizes(data):
    return {part: len(data.feature_set[name]) for part, name in data.parts.items()}


X, Y = np.arange(24, dtype=np.float32).reshape(8, 3), np.arange(8) % 2


@pytest.mark.parametrize(
    "raw",
    [
        (X, Y),
        [X, Y],
        (torch.tensor(X), torch.tensor(Y)),
        {"x": X, "y": Y},
        {"data": X, "target": Y},
        (X.tolist(), Y.tolist()),
    ],
    ids=["pair", "list", "tensors", "columns", "bunch", "lists"],
)
def test_arrays_become_one_feature_and_a_target(load, raw):
    data = load(raw, target="y", split=SPLIT)

    assert (data.features, data.targets) == (["x"], ["y"])
    assert np.array_equal(np.squeeze(features_of(data)), X)
    assert np.array_equal(np.squeeze(targets_of(data)), Y)
    assert sizes(data) == {"train": 4, "validate": 2, "test": 2}


def test_a_frame_becomes_columns(load):
    data = load(FRAME, target="kind", split={**SPLIT, "group": "who"}, features=["b", "a"])

    assert data.features == ["b", "a"]
    assert np.array_equal(features_of(data), FRAME[["b", "a"]].to_numpy())
    assert targets_of(data).ravel().tolist() == [0, 1] * 4
    for name in data.parts.values():
        whose = data.feature_set[name].get_tags(fmt="dict_numpy", tags="who")
        counts = np.unique(next(iter(whose.values())), return_counts=True)[1]
        assert set(counts.tolist()) == {2}


def test_features_left_open_are_all_that_is_left(load):
    numbers = FRAME.drop(columns=["kind"])

    assert load(numbers, target="a", split={"by": "part"}).features == ["b", "who"]


def test_what_groups_the_rows_is_no_feature_unless_named(load):
    numbers = FRAME[["a", "b", "who"]]

    assert load(numbers, target="a", split={"train": 1.0, "group": "who"}).features == ["b"]


def test_parts_may_be_named_by_a_column(load):
    assert sizes(load(FRAME, target="kind", features="a", split={"by": "part"})) == {
        "train": 4, "validate": 2, "test": 2
    }  # fmt: skip


def test_parts_may_come_with_the_data(load):
    data = load({"train": (X[:5], Y[:5]), "val": (X[5:7], Y[5:7]), "test": (X[7:], Y[7:])})

    assert sizes(data) == {"train": 5, "validate": 2, "test": 1}
    assert np.array_equal(np.squeeze(features_of(data, "validate")), X[5:7])
    assert np.array_equal(targets_of(data, "test").ravel(), Y[7:])


def test_frames_may_come_as_parts(load):
    data = load({"train": FRAME[:6], "test": FRAME[6:]}, target="kind", features=["a"])

    assert sizes(data) == {"train": 6, "test": 2}
    assert targets_of(data, "test").ravel().tolist() == [0, 1]


def test_a_feature_set_keeps_its_own_splits(load):
    made = FeatureSet.from_dict("mine", {"x": X, "y": Y}, "x", "y")
    made.split_random({"train": 0.5, "val": 0.5})
    data = load(made)

    assert data.feature_set is made
    assert data.parts == {"train": "train", "validate": "val"}


def test_a_feature_set_without_splits_is_split(load):
    made = FeatureSet.from_dict("mine", {"x": X, "y": Y}, "x", "y")

    assert sizes(load(made, split=SPLIT)) == {"train": 4, "validate": 2, "test": 2}


def test_without_a_split_everything_is_trained_on(load):
    assert sizes(load((X, Y))) == {"train": 8}


def test_a_bunch_gives_single_features_by_name(load):
    data = load(sklearn_datasets.load_diabetes(), features=["bmi", "bp"], target="progression")

    assert data.features == ["bmi", "bp"]
    assert data.targets == ["progression"]
    assert features_of(data).shape == (442, 2)


def test_a_bunch_of_frames_is_a_frame(load):
    data = load(sklearn_datasets.load_diabetes(as_frame=True))

    assert data.targets == ["target"]
    assert len(data.features) == 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b"], [1, 0, 1]),
        (pd.Categorical(["b", "a", "b"], categories=["b", "a"]), [1, 0, 1]),
        ([True, False, True], [1, 0, 1]),
        ([3, 5, 3], [3, 5, 3]),
    ],
)
def test_names_as_target_become_class_indices_in_sorted_order(load, values, expected):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": values})
    found = targets_of(load(frame, target="y"))

    assert found.ravel().tolist() == expected
    assert np.issubdtype(found.dtype, np.integer)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"target": "kidn"},
            InvalidError,
            "no column named 'kidn' in the dataset. Did you mean 'kind'?",
        ),
        (
            {"target": "kind", "features": ["a", "bb"]},
            InvalidError,
            "named 'bb' in the dataset. Did you mean 'b'?",
        ),
        ({"target": "a", "split": {"train": 1, "stratify": "knd"}}, InvalidError, "'knd'"),
        ({"target": "a", "split": {"train": 1, "group": "wo"}}, InvalidError, "'wo'"),
        ({"target": "a", "split": {"by": "prt"}}, InvalidError, "'prt'"),
        ({"target": "a", "split": {"by": "kind"}, "features": "b"}, NotFoundError, "named 'x'"),
        ({}, InvalidError, "'target' is missing: which of the columns a, b, kind, who, part"),
        ({"target": "a", "features": ["a", "b"]}, InvalidError, "a feature and the target"),
        ({"target": "a", "features": ["b", "kind"]}, DataError, "'kind' holds 'x'"),
    ],
)
def test_what_does_not_fit_the_data_is_named(load, config, error, message):
    with pytest.raises(error) as caught:
        load(FRAME, **config)

    assert message in str(caught.value)


@pytest.mark.parametrize("raw", [3, "text", None, (X,), (X, Y, Y), {}])
def test_what_is_no_data_is_refused(load, raw):
    with pytest.raises((TrackerError, DataError)):
        load(raw, target="y")


def test_parts_without_one_to_train_on_are_refused(load):
    with pytest.raises(InvalidError, match="none to train on"):
        load({"val": (X, Y), "test": (X, Y)})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_file_in_the_lab_is_read(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    if suffix == ".npz":
        np.savez(path, x=X, y=Y)
    else:
        frame = pd.DataFrame({"x": X[:, 0], "y": Y})
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    data = load_data({"dataset": {"file": path.name}, "target": "y"}, tmp_path)

    assert len(data.feature_set) == 8
    assert targets_of(data).ravel().tolist() == Y.tolist()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, suffix):
    (tmp_path / f"data{suffix}").write_bytes(b"y\n\xff\n")

    with pytest.raises((InvalidError, NotFoundError), match=f"data{suffix}"):
        load_data({"dataset": {"file": f"data{suffix}"}, "target": "y"}, tmp_path)
    with pytest.raises(NotFoundError, match="missing"):
        load_data({"dataset": {"file": f"missing{suffix}"}}, tmp_path)


def test_a_file_never_runs_code(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))

    with pytest.raises(InvalidError, match="allow_pickle"):
        load_data({"dataset": {"file": "data.npz"}}, tmp_path)


def test_a_function_of_the_lab_is_called_with_its_arguments(tmp_path):
    (tmp_path / "my_data.py").write_text(
        textwrap.dedent(
            """
            def make(n):
                return {"x": [float(i) for i in range(n)], "y": [i % 2 for i in range(n)]}
            """
        )
    )
    config = {"dataset": {"loc": "my_data:make", "args": {"n": 6}}, "target": "y"}

    assert len(load_data(config, tmp_path).feature_set) == 6


def test_scalers_are_fitted_to_the_training_part_alone(load, tmp_path):
    data = load({"train": (X[:6], Y[:6]), "test": (X[6:] * 100, Y[6:])})
    scale(data, {"features": {"loc": "sklearn.preprocessing.StandardScaler"}}, tmp_path)
    train = np.squeeze(features_of(data, "train"))

    assert np.allclose(train.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(train.std(axis=0), 1, atol=1e-6)
    assert np.squeeze(features_of(data, "test")).min() > 10


def test_pictures_are_scaled_position_by_position(load, tmp_path):
    pictures = np.random.default_rng(0).normal(size=(20, 1, 3, 2)) * np.arange(1, 7).reshape(3, 2)
    data = load((pictures, np.arange(20) * 1.0))
    scale(
        data,
        {
            "features": {"loc": "sklearn.preprocessing.StandardScaler"},
            "target": {"loc": "sklearn.preprocessing.MinMaxScaler"},
        },
        tmp_path,
    )

    assert np.allclose(features_of(data).reshape(20, 6).std(axis=0), 1, atol=1e-5)
    assert targets_of(data).max() == pytest.approx(1)
