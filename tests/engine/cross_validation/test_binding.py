import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.cross_validation import CVBinding
from engine.errors import DataError, PhaseError, UnknownLabelError
from engine.features import FeatureSet


def samples(rows=60, label="data"):
    return FeatureSet.from_dict(
        label,
        {
            "x": np.arange(rows, dtype="float32"),
            "y": np.arange(rows) % 3,
            "group": np.arange(rows) // 4,
        },
        ["x"],
        ["y"],
        ["group"],
    )


@pytest.fixture
def data():
    feature_set = samples()
    feature_set.split_random({"train": 0.6, "val": 0.2, "test": 0.2}, seed=1)
    return feature_set


def pool_of(data, *names):
    return sorted(np.concatenate([data.get_split(name).indices for name in names]))


def test_every_pooled_sample_is_validated_once_and_trained_on_in_the_other_folds(data):
    folds = CVBinding(data, ["train", "val"]).folds(data, 4, seed=3)

    pool = pool_of(data, "train", "val")
    assert sorted(np.concatenate([fold["val"] for fold in folds])) == pool
    for fold in folds:
        assert list(fold) == ["train", "val"]
        assert sorted([*fold["train"], *fold["val"]]) == pool
        assert all(np.all(np.diff(rows) > 0) for rows in fold.values())


@given(rows=st.integers(8, 60), n_folds=st.integers(2, 6), seed=st.integers(0, 2**40))
def test_folds_partition_the_pool_whatever_its_size(rows, n_folds, seed):
    with ExperimentContext().activate():
        data = samples(rows)
        data.add_split(data.take(np.arange(rows), label="all"))
        folds = CVBinding(data, ["all"]).folds(data, n_folds, seed)

    sizes = [len(fold["val"]) for fold in folds]
    assert sorted(np.concatenate([fold["val"] for fold in folds])) == list(range(rows))
    assert max(sizes) - min(sizes) <= 1


def test_groups_stay_whole(data):
    data.clear_splits()
    data.add_split(data.take(np.arange(60), label="all"))
    groups = np.arange(60) // 4

    for fold in CVBinding(data, ["all"], group_by="group").folds(data, 5, seed=3):
        assert set(groups[fold["train"]]).isdisjoint(groups[fold["val"]])


def test_strata_are_spread_evenly(data):
    data.clear_splits()
    data.add_split(data.take(np.arange(60), label="all"))

    for fold in CVBinding(data, ["all"], stratify_by="y").folds(data, 5, seed=3):
        assert np.bincount(fold["val"] % 3).tolist() == [4, 4, 4]


def test_a_share_of_ones_own_is_drawn_anew_for_each_fold(data):
    folds = CVBinding(data, ["train"], val_size=0.25).folds(data, 6, seed=3)

    drawn = {tuple(fold["val"]) for fold in folds}
    assert len(drawn) == 6
    assert {len(rows) for rows in drawn} == {9}


def test_feature_sets_of_one_length_are_folded_alike(data):
    other = samples(label="other")
    for split in ("train", "val"):
        other.add_split(other.take(data.get_split(split).indices, label=split))

    mine, theirs = (
        CVBinding(each, ["train", "val"]).folds(each, 3, seed=9) for each in (data, other)
    )
    for left, right in zip(mine, theirs, strict=True):
        assert np.array_equal(left["val"], right["val"])


def test_the_seed_alone_decides(data):
    binding = CVBinding(data, ["train", "val"], train_split_name="a", val_split_name="b")

    first, again, other = (binding.folds(data, 3, seed) for seed in (5, 5, 6))
    assert np.array_equal(first[0]["b"], again[0]["b"])
    assert not np.array_equal(first[0]["b"], other[0]["b"])


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"source_splits": ["trian"]}, UnknownLabelError, "Did you mean 'train'?"),
        ({"source_splits": []}, PhaseError, "Name the splits of 'data'"),
        ({"fs": "dota"}, Exception, "Did you mean 'data'?"),
        ({"val_size": 1.0}, PhaseError, "not 1.0"),
        ({"val_split_name": "train"}, PhaseError, "both are 'train'"),
        ({"group_by": "group", "stratify_by": "y"}, DataError, "exclude each other"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(data, words, error, said):
    with pytest.raises(error) as refused:
        CVBinding(**{"fs": "data", "source_splits": ["train"], **words})

    assert said in str(refused.value)


def test_one_fold_needs_a_share_for_validation(data):
    with pytest.raises(PhaseError, match="give the binding of 'data' a val_size"):
        CVBinding(data, ["train"]).check_folds(1)
