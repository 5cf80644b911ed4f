import pytest

from engine.context import ExperimentContext
from engine.errors import DataError, ResolutionError, UnknownLabelError
from engine.features import (
    FeatureSetColumnReference,
    FeatureSetReference,
    FeatureSetSplitReference,
)


class TestFeatureSetReference:
    def test_domains_without_a_selector_come_whole(self, cells):
        reference = cells.reference(features=["cycle", "current"])
        assert reference == FeatureSetReference(
            "cells",
            "cells",
            features=("features.cycle.raw", "features.current.raw"),
            targets=("targets.soh.raw",),
            tags=("tags.cell.raw",),
        )
        assert cells.reference(features="cycle", targets=[], tags=[]).columns == (
            "features.cycle.raw",
        )

    def test_equal_ones_are_one_key(self, cells):
        table = {cells.reference(features="cycle"): 1}
        assert table[cells.reference(features=["cycle.raw"])] == 1
        assert cells.reference(features="current") not in table
        assert hash(cells.reference()) == hash(cells.reference())

    def test_keeps_the_representation_of_its_making(self, cells):
        before = cells.reference(features="cycle")
        cells.fit_transform("Negate", domain="features", keys="cycle")
        after = cells.reference(features="cycle")
        assert before.features == ("features.cycle.raw",)
        assert after.features == ("features.cycle.transformed",)
        assert cells.reference(features="cycle", rep="raw") == before

    def test_resolves_to_a_view(self, cells):
        view = cells.reference(features="cycle", tags=[]).resolve()
        assert view.source is cells
        assert view.columns == ["features.cycle.raw", "targets.soh.raw"]
        assert len(view) == 12

    def test_leads_nowhere_without_its_set_or_its_column(self, cells, context):
        cells.fit_transform("Negate", domain="targets")
        reference = cells.reference()
        cells.undo_all_transforms()
        with pytest.raises(ResolutionError, match=r"'cells'.*'targets\.soh\.transformed'"):
            reference.resolve()
        with ExperimentContext().activate():
            with pytest.raises(ResolutionError, match="no node 'cells'"):
                cells.reference().resolve()
            assert cells.reference().resolve(context).source is cells

    def test_survives_its_configuration(self, cells):
        reference = cells.reference()
        assert FeatureSetReference.from_config(reference.get_config()) == reference

    def test_unknown_columns_suggest_the_nearest(self, cells):
        with pytest.raises(UnknownLabelError, match="Did you mean 'voltage'"):
            cells.reference(features="voltag")


class TestColumnReference:
    @pytest.mark.parametrize(
        "named",
        [
            {"column": "features.cycle.raw"},
            {"column": "cycle"},
            {"feature": "cycle"},
            {"feature": "cycle", "rep": "raw"},
            {"feature": "features.cycle"},
        ],
    )
    def test_names_one_column(self, cells, named):
        reference = cells.column_reference(**named)
        assert reference == FeatureSetColumnReference("features", "cycle", "raw", "cells")
        assert reference.column == "features.cycle.raw"
        assert reference.resolve().columns == ["features.cycle.raw"]

    def test_of_each_domain(self, cells):
        assert cells.column_reference(target="soh").column == "targets.soh.raw"
        assert cells.column_reference(tag="cell").column == "tags.cell.raw"

    def test_exactly_one(self, cells):
        with pytest.raises(DataError, match="Name one column"):
            cells.column_reference()
        with pytest.raises(DataError, match="Name one column"):
            cells.column_reference("cycle", tag="cell")
        with pytest.raises(DataError, match="several columns"):
            cells.column_reference(feature="c*")

    def test_from_a_full_name_and_from_its_configuration(self, cells):
        reference = FeatureSetColumnReference.from_string("tags.cell.raw", "cells")
        assert reference == cells.column_reference(tag="cell")
        assert FeatureSetColumnReference.from_config(reference.get_config()) == reference
        assert reference.to_reference() == FeatureSetReference("cells", tags=("tags.cell.raw",))


class TestSplitReference:
    def test_resolves_when_it_is_used(self, cells):
        reference = FeatureSetSplitReference("train", "cells")
        with pytest.raises(ResolutionError, match="no split of 'cells' called 'train'"):
            reference.resolve()
        cells.split_random({"train": 0.5, "test": 0.5})
        assert reference.resolve().indices.tolist() == cells["train"].indices.tolist()
        assert FeatureSetSplitReference.from_config(reference.get_config()) == reference
