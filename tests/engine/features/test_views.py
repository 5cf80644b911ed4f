import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, ResolutionError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetView

POSITIONS = st.lists(st.integers(0, 9), max_size=12)


def numbers(label="numbers"):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict(label, {"x": list(range(10))}, "x")


class TestRows:
    @given(POSITIONS, st.data())
    def test_taking_is_indexing(self, positions, data):
        view = numbers().take(positions)
        assert view.column("x").tolist() == positions
        if positions:
            again = data.draw(st.lists(st.integers(0, len(positions) - 1)))
            assert view.take(again).column("x").tolist() == [positions[at] for at in again]

    def test_nothing_is_copied(self, cells):
        view = cells.take(np.arange(5), "five")
        assert view.source is cells
        assert view.collection is cells.collection
        assert view.label == "five"
        whole = cells.to_view()
        assert np.shares_memory(
            whole.collection.numpy("features.cycle.raw"), cells.values("features.cycle.raw")
        )

    @pytest.mark.parametrize("positions", [[12], [-1], [0, 40]])
    def test_positions_out_of_range_are_named(self, cells, positions):
        with pytest.raises(DataError, match="out of range: there are 12 samples"):
            cells.take(positions)

    @pytest.mark.parametrize("positions", [[0.5], [[0]], ["a"], [True, False]])
    def test_positions_are_whole_numbers(self, cells, positions):
        with pytest.raises(DataError, match="whole numbers"):
            cells.take(positions)

    def test_by_id(self, cells):
        ids = cells.get_sample_uuids()
        view = cells.take([5, 3, 1]).take_sample_uuids([ids[1], ids[5]], label="two")
        assert view.column("cycle").tolist() == [1, 5]
        with pytest.raises(UnknownLabelError, match="no sample"):
            cells.take([1]).take_sample_uuids([ids[2]])

    def test_filter_by_values_sets_and_predicates(self, cells):
        def cycles(**conditions):
            return cells.filter(conditions=conditions).column("cycle").tolist()

        assert cycles(cell="c1") == [1, 4, 7, 10]
        assert cycles(cell=["c1", "c2"], cycle={1, 2, 3}) == [1, 2]
        assert cycles(cycle=lambda value: value > 9) == [10, 11]
        assert cycles(cell=lambda text: text.endswith("0")) == [0, 3, 6, 9]
        assert cycles(voltage=lambda row: row[0] == 9) == [3]
        assert cycles(soh=1.0) == [0]
        view = cells.take([1, 4, 5]).filter(conditions={"cell": "c1"}, label="ones")
        assert view.column("cycle").tolist() == [1, 4]
        assert view.label == "ones"

    def test_filter_without_a_match_warns(self, cells):
        with pytest.warns(UserWarning, match="No sample meets the conditions on cell"):
            view = cells.filter(conditions={"cell": "c9"})
        assert len(view) == 0

    def test_filter_names_what_it_cannot_judge(self, cells):
        with pytest.raises(UnknownLabelError, match="Did you mean 'cycle'"):
            cells.filter(conditions={"cycl": 1})
        with pytest.raises(DataError, match="'voltage' holds arrays"):
            cells.filter(conditions={"voltage": 1})
        with pytest.raises(DataError, match="condition on column 'cell' failed"):
            cells.filter(conditions={"cell": lambda text: text + 1})

    def test_indices_of_a_view_are_checked(self, cells):
        with pytest.raises(DataError, match="between 0 and 11"):
            FeatureSetView(cells, np.array([12]), ["features.cycle.raw"])
        with pytest.raises(UnknownLabelError, match="no column 'cycle'"):
            FeatureSetView(cells, np.array([1]), ["cycle"])


class TestSets:
    @given(POSITIONS, POSITIONS, st.sampled_from(["same", "other"]))
    def test_agree_with_pythons(self, mine, theirs, source):
        one = numbers()
        # The second set has the same samples under another name.
        with ExperimentContext.dont_register():
            two = one if source == "same" else one.take(range(10)).to_featureset("again")
        ours, others = one.take(mine), two.take(theirs)

        def values(view):
            return view.column("x").tolist()

        assert values(ours.take_intersection(others)) == [x for x in mine if x in theirs]
        assert values(ours.take_difference(others)) == [x for x in mine if x not in theirs]
        by_other = [x for x in theirs if x in mine]
        assert values(ours.take_intersection(others, order="other")) == by_other
        assert ours.is_disjoint_with(others) == set(mine).isdisjoint(theirs)
        ids = one.get_sample_uuids()
        assert set(ours.get_overlap_with(others)) == {ids[x] for x in set(mine) & set(theirs)}

    def test_results_are_views_of_the_first(self, cells):
        other = cells.take(range(12)).to_featureset("other")
        shared = cells.take([1, 2]).take_intersection(other.take([2, 3]), order="other", label="s")
        assert shared.source is cells
        assert shared.label == "s"
        assert shared.indices.tolist() == [2]

    def test_may_be_whole_sets(self, cells):
        view = cells.take([1, 2])
        assert not view.is_disjoint_with(cells)
        assert view.get_overlap_with(cells) == view.get_sample_uuids().tolist()

    def test_order_is_one_of_two(self, cells):
        with pytest.raises(DataError, match="'self' or 'other', not 'mine'"):
            cells.take_intersection(cells.take([1]), order="mine")

    def test_equal_content_elsewhere_is_the_same_sample(self):
        assert not numbers("a").to_view().is_disjoint_with(numbers("b").to_view())


class TestColumns:
    def test_select_keeps_other_domains_whole(self, cells):
        view = cells.select(features="cycle", tags=[], label="few")
        assert view.columns == ["features.cycle.raw", "targets.soh.raw"]
        assert view.label == "few"
        assert view.n_samples == 12

    def test_what_is_not_selected_cannot_be_read(self, cells):
        view = cells.select(features="cycle")
        with pytest.raises(UnknownLabelError, match="no column 'current'"):
            view.column("current")
        assert list(view.get_features()) == ["cycle"]

    def test_expanding_brings_all_columns_back(self, cells):
        view = cells.take([3], "three").select(features="cycle", label="few").expand_columns()
        assert view.columns == list(cells.index.names)
        assert view.label == "few_expanded"
        assert view.indices.tolist() == [3]
        assert view.expand_columns("all").label == "all"
        assert cells.take([3]).expand_columns().label is None

    def test_do_not_change(self, cells):
        view = cells.select(features="cycle", tags=[])
        view.columns.append("tags.cell.raw")
        assert view.columns == ["features.cycle.raw", "targets.soh.raw"]
        for name in ("source", "indices", "columns", "label"):
            with pytest.raises(AttributeError):
                setattr(view, name, None)

    def test_selecting_from_a_selection_narrows(self, cells):
        view = cells.select(features=["cycle", "current"]).select(features="c*t")
        assert view.get_feature_keys() == ["features.current.raw"]


class TestPadding:
    @pytest.fixture
    def padded(self, cells):
        return FeatureSetView(cells, np.array([2, -1, 4]), list(cells.index.names))

    def test_padded_rows_are_masked_and_empty(self, padded):
        assert padded.sample_mask.tolist() == [1, 0, 1]
        assert padded.valid_indices.tolist() == [2, 4]
        assert padded.n_samples == 3
        assert padded.column("cycle").tolist() == [2, 0, 4]
        assert padded.column("voltage")[1].tolist() == [0, 0, 0]
        assert padded.column("cell").tolist() == ["c2", None, "c1"]
        assert padded.get_sample_uuids()[1] is None

    def test_to_pandas_leaves_them_out_unless_asked(self, padded):
        assert padded.to_pandas()["features.cycle.raw"].tolist() == [2, 4]
        frame = padded.to_pandas(include_padded=True, include_mask=True)
        assert frame["features.cycle.raw"].tolist() == [2, 0, 4]
        assert frame["sample_mask"].tolist() == [1, 0, 1]

    def test_they_are_never_in_a_set_of_samples(self, padded, cells):
        assert padded.is_in(cells.to_view()).tolist() == [True, False, True]
        assert cells.take([0]).is_in(padded).tolist() == [False]
        assert cells.take([11]).is_in(padded).tolist() == [False]

    def test_a_set_of_its_own_has_none(self, padded):
        assert padded.to_featureset("own").column("cycle").tolist() == [2, 4]


class TestConfiguration:
    def test_comes_back_from_the_active_context(self, cells):
        view = cells.take([4, 1], "two").select(features="cycle")
        back = FeatureSetView.from_config(view.get_config())
        assert back.source is cells
        assert back.to_pandas().equals(view.to_pandas())

    def test_needs_its_feature_set(self, cells):
        config = cells.to_view().get_config()
        with ExperimentContext().activate(), pytest.raises(ResolutionError, match="'cells'"):
            FeatureSetView.from_config(config)


class TestNothingChangesThem:
    def test_rows_are_positions(self, cells):
        for rows in (cells.column("cycle") > 3, [0.5, 1.7], np.zeros((2, 2), int), ["a"]):
            with pytest.raises(DataError, match="whole numbers"):
                FeatureSetView.from_featureset(cells, rows=rows)
        with pytest.raises(DataError, match=r"For a mask, take numpy.flatnonzero\(mask\)"):
            cells.take(cells.column("cycle") > 3)

    def test_rows_cannot_be_changed_from_outside(self, cells):
        rows = np.array([0, 1])
        for taken in (rows, rows[:]):
            view = FeatureSetView.from_featureset(cells, rows=taken)
            rows[0] = 5
            assert view.column("cycle").tolist() == [0, 1]
            rows[0] = 0
        cells.split_random({"a": 0.5, "b": 0.5})
        for view in (cells["a"], cells.to_view(), cells.take([1]), cells["a"].take([0])):
            with pytest.raises(ValueError, match="read-only"):
                view.indices[:] = 0

    def test_nor_can_columns_or_anything_else(self, cells):
        view = cells.take([1])
        view.columns.append("features.z.raw")
        assert view.columns == list(cells.index.names)
        with pytest.raises(AttributeError):
            view.label = "other"

    def test_rows_that_nobody_can_change_are_shared(self, cells):
        view = cells.take([1, 2])
        assert view.select(features="cycle").indices is view.indices

    def test_expanding_columns_names_what_had_a_name(self, cells):
        assert cells.take([0]).expand_columns().label is None
        assert cells.take([0], "one").expand_columns().label == "one_expanded"
