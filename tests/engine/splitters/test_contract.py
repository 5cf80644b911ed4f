"""What holds for every splitter."""

import hashlib
import json

import numpy as np
import pytest

from engine.context import ExperimentContext
from engine.errors import UnknownLabelError
from engine.features import FeatureSet
from engine.splitters import BaseSplitter, ConditionSplitter, RandomSplitter

RATIOS = {"train": 0.6, "val": 0.25, "test": 0.15}


def is_even(value):
    return value % 2 == 0


SPLITTERS = {
    "random": lambda: RandomSplitter(RATIOS, seed=4),
    "grouped": lambda: RandomSplitter(RATIOS, group_by=["group", "kind"], seed=4),
    "stratified": lambda: RandomSplitter(RATIOS, stratify_by="kind", seed=4),
    "strict": lambda: RandomSplitter(
        RATIOS, stratify_by=["kind"], strict_stratification=True, seed=4
    ),
    "condition": lambda: ConditionSplitter(
        low={"x": range(20), "kind": {"a", "c"}}, even={"x": is_even}, one={"kind": "b", "x": 7}
    ),
}
# Which samples each split has, on every machine and with every version.
DIGESTS = {
    "random": "e7abb7f7f8ae",
    "grouped": "fa8ad71403c1",
    "stratified": "55d6588aa2ad",
    "strict": "55d6588aa2ad",
    "condition": "6ba1438cc40a",
}


@pytest.fixture
def data():
    with ExperimentContext.dont_register():
        columns = {
            "x": np.arange(60),
            "kind": np.array(["a", "b", "c"])[np.arange(60) % 3],
            "group": np.arange(60) // 5,
        }
        return FeatureSet.from_dict("data", columns, "x", (), ["kind", "group"])


def plain(parts):
    return {label: positions.tolist() for label, positions in parts.items()}


@pytest.mark.parametrize("kind", SPLITTERS)
class TestEverySplitter:
    def test_divides_the_same_way_every_time_and_everywhere(self, kind, data):
        splitter = SPLITTERS[kind]()
        parts = plain(splitter.split_rows(data))
        assert plain(splitter.split_rows(data)) == parts
        assert hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12] == DIGESTS[kind]

    def test_gives_positions_or_views(self, kind, data):
        splitter, view = SPLITTERS[kind](), data.to_view().take(range(59, -1, -1))
        positions = splitter.split(view, return_views=False)
        views = splitter.split(view)
        assert list(views) == list(positions)
        for label, one in views.items():
            assert one.label == label
            assert (one.indices == view.indices[positions[label]]).all()
            assert (np.diff(positions[label]) > 0).all()

    def test_comes_back_from_its_configuration(self, kind, data):
        splitter = SPLITTERS[kind]()
        again = type(splitter).from_config(json.loads(json.dumps(splitter.get_config())))
        assert again.get_config() == splitter.get_config()
        assert plain(again.split_rows(data)) == plain(splitter.split_rows(data))

    def test_comes_back_from_its_file(self, kind, data, tmp_path):
        splitter = SPLITTERS[kind]()
        path = splitter.save(tmp_path / "mine")
        assert path == tmp_path / "mine.splitter"
        again = BaseSplitter.load(path, allow_packaged_code=True)
        assert type(again) is type(splitter)
        assert plain(again.split_rows(data)) == plain(splitter.split_rows(data))

    def test_its_state_is_all_that_chance_depends_on(self, kind, data):
        splitter = SPLITTERS[kind]()
        parts = plain(splitter.split_rows(data))
        state = json.loads(json.dumps(splitter.get_state()))
        if state:
            splitter.seed = 99
            assert plain(splitter.split_rows(data)) != parts
        splitter.set_state(state)
        assert plain(splitter.split_rows(data)) == parts


@pytest.mark.parametrize("how", ["group_by", "stratify_by"])
def test_unknown_columns_are_named_with_the_nearest(how, data):
    with pytest.raises(UnknownLabelError, match=r"no column 'knd'.*Did you mean 'kind'"):
        RandomSplitter(RATIOS, **{how: "knd"}).split_rows(data)
    with pytest.raises(UnknownLabelError, match=r"no column 'y'"):
        ConditionSplitter(s={"y": 1}).split_rows(data)


class TestFingerprints:
    def test_are_equal_for_the_same_samples_however_they_were_chosen(self, data):
        first, again = data.take([3, 1, 2]), data.take([9, 3, 1, 2]).take([1, 2, 3], "label")
        assert first.fingerprint == again.fingerprint
        assert first.fingerprint == data.take([3, 1, 2]).select(features="x").fingerprint
        with ExperimentContext.dont_register():
            rebuilt = FeatureSet.from_pyarrow_table("other", data.collection.table)
        assert rebuilt.take([3, 1, 2]).fingerprint == first.fingerprint

    def test_differ_for_other_samples_order_or_data(self, data):
        with ExperimentContext.dont_register():
            other = FeatureSet.from_dict("data", {"x": range(1, 61)}, "x")
        prints = [data.take(rows).fingerprint for rows in ([1, 2], [2, 1], [1], [])]
        prints += [other.take([1, 2]).fingerprint, data.to_view().fingerprint]
        assert len(set(prints)) == len(prints)

    def test_tell_that_a_split_is_the_same_as_ever(self, data):
        data.split_random(RATIOS, seed=4)
        with ExperimentContext.dont_register():
            again = FeatureSet.from_pyarrow_table("again", data.collection.table)
        again.split_random(RATIOS, seed=4)
        assert again["train"].fingerprint == data["train"].fingerprint
        assert again["val"].fingerprint != data["train"].fingerprint
