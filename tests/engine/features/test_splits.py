import warnings

import numpy as np
import pytest

from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetView, SplitOverlapWarning
from engine.splitters import RandomSplitter


def cycles(view):
    return view.column("cycle").tolist()


class TestSplits:
    def test_are_registered_and_found_by_label(self, cells):
        assert cells.split_random({"train": 0.75, "test": 0.25}) is None
        assert cells.available_splits == ["train", "test"]
        assert cells.n_splits == 2
        assert len(cells["train"]) == 9
        assert cells.get_split("train").label == "train"
        assert set(cells.splits) == {"train", "test"}

    def test_an_unknown_one_suggests_the_nearest(self, cells):
        cells.split_random({"train": 0.75, "test": 0.25})
        with pytest.raises(
            UnknownLabelError, match=r"no split of 'cells' called 'trian'\. Did you"
        ):
            cells["trian"]

    def test_can_be_had_without_being_registered(self, cells):
        splitter = RandomSplitter({"a": 0.5, "b": 0.5})
        views = cells.split(splitter, return_views=True, register=False)
        assert sorted(cycles(views["a"]) + cycles(views["b"])) == list(range(12))
        assert not cells.available_splits
        for label, view in splitter.split(cells.to_view()).items():
            assert cycles(view) == cycles(views[label])
        positions = splitter.split(cells.to_view(), return_views=False)
        assert positions["a"].tolist() == cycles(views["a"])

    def test_of_a_view_belong_to_the_feature_set(self, cells):
        cells.split_random({"pool": 0.5, "test": 0.5})
        views = cells["pool"].split_random({"train": 0.5, "val": 0.5}, return_views=True, seed=1)
        assert sorted(cycles(views["train"]) + cycles(views["val"])) == sorted(
            cycles(cells["pool"])
        )

    def test_of_a_split_warn_of_other_splits_but_not_of_their_own(self, cells):
        cells.add_split(cells.take(range(6), "pool"))
        with pytest.warns(SplitOverlapWarning, match="'first' shares 1 sample with split 'pool'"):
            cells.add_split(cells.take([0], "first"))
        with pytest.warns(SplitOverlapWarning) as caught:
            cells["pool"].split_by_condition({"low": {"cycle": 0}, "high": {"cycle": 5}})
        assert [str(warning.message) for warning in caught] == [
            "Split 'low' shares 1 sample with split 'first'."
        ]

    def test_see_columns_that_came_later(self, cells):
        cells.split_random({"train": 0.75, "test": 0.25})
        cells.fit_transform("StandardScaler", domain="targets", fit_to_split="train")
        assert "targets.soh.transformed" in cells["train"].columns

    def test_by_condition_may_leave_samples_out(self, cells):
        views = cells.split_by_condition(
            {"early": {"cycle": range(4)}, "c2": {"cell": "c2", "cycle": lambda c: c > 4}},
            return_views=True,
        )
        assert cycles(views["early"]) == [0, 1, 2, 3]
        assert cycles(cells["c2"]) == [5, 8, 11]

    def test_sharing_samples_warns_with_the_count(self, cells):
        cells.add_split(cells.take([0, 1, 2, 3], "a"))
        with pytest.warns(SplitOverlapWarning, match="'b' shares 2 samples with split 'a'"):
            cells.add_split(cells.take([2, 3, 4], "b"))
        assert issubclass(SplitOverlapWarning, UserWarning)

    def test_the_warning_points_to_the_caller(self, cells):
        cells.add_split(cells.take([0], "a"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cells.add_split(cells.take([0], "b"))
            cells.split_by_condition({"c": {"cycle": 0}})
        assert {warning.filename for warning in caught} == {__file__}

    def test_a_taken_label_is_a_value_error_and_nothing_is_added(self, cells):
        cells.add_split(cells.take([0], "a"))
        with pytest.raises(ValueError, match="has a split 'a' already"):
            cells.split_random({"b": 0.5, "a": 0.5})
        assert cells.available_splits == ["a"]
        cells.clear_splits()
        cells.split_random({"b": 0.5, "a": 0.5})

    def test_two_of_one_label_are_refused_and_none_is_added(self, cells):
        views = [cells.take([0], "q"), cells.take([1], "r"), cells.take([2], "q")]
        with pytest.raises(DataError, match="Two of the new splits of 'cells' are called 'q'"):
            cells.add_splits(views)
        assert not cells.available_splits

    def test_all_or_none_even_if_warnings_are_errors(self, cells):
        cells.add_split(cells.take([11], "z"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SplitOverlapWarning):
                cells.split_random({"a": 0.5, "b": 0.5})
        assert cells.available_splits == ["z"]

    def test_registered_at_once_warn_of_each_other(self, cells):
        with pytest.warns(SplitOverlapWarning) as caught:
            cells.add_splits([cells.take([0, 1], "a"), cells.take([1, 2], "b")])
        assert [str(warning.message) for warning in caught] == [
            "Split 'b' shares 1 sample with split 'a'."
        ]

    def test_cannot_be_changed_from_outside(self, cells):
        rows = np.array([4, 5])
        cells.add_split(FeatureSetView.from_featureset(cells, rows=rows, label="q"))
        rows[:] = 0
        assert cycles(cells["q"]) == [4, 5]
        with pytest.raises(ValueError, match="read-only"):
            cells["q"].indices[:] = 0
        frozen = rows.view()
        frozen.flags.writeable = False
        view = FeatureSetView.from_featureset(cells, rows=frozen)
        rows[:] = 7
        assert cycles(view) == [0, 0]

    def test_only_labelled_views_of_this_set_are_taken(self, cells):
        with pytest.raises(DataError, match="needs a label"):
            cells.add_split(cells.take([0]))
        other = FeatureSet.from_dict("other", {"x": [1]}, "x")
        with pytest.raises(DataError, match="not a view of 'cells'"):
            cells.add_split(other.take([0], "a"))
