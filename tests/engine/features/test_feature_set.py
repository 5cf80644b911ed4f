import numpy as np
import pytest

from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetView, SplitOverlapWarning


class TestNode:
    def test_can_be_relabelled(self, cells, context):
        cells.label = "battery"
        assert context.available_featuresets == {"battery": cells}
        assert cells.reference().node_label == "battery"

    def test_says_what_it_is(self, cells):
        assert repr(cells) == "FeatureSet 'cells': 12 samples, 3 features, 1 target, 1 tag"
        assert repr(cells.take([1], "one")) == (
            "FeatureSetView 'one' of 'cells': 1 sample, 3 features, 1 target, 1 tag"
        )
        assert len(cells) == cells.n_samples == len(cells.collection) == 12

    def test_summary_is_a_box_of_what_there_is(self, cells):
        cells.add_split(cells.take(range(9), "train"))
        cells.fit_transform("Negate", domain="targets", fit_to_split="train")
        top, *rows, bottom = cells.summary().splitlines()
        assert top.startswith("┌ FeatureSet 'cells' ─")
        assert bottom.endswith("─┘")
        assert len({len(line) for line in (top, *rows, bottom)}) == 1
        assert [row.strip("│ ") for row in rows] == [
            "samples   12",
            "features  voltage.raw (3,) float64, current.raw float64, cycle.raw int64",
            "targets   soh.raw float64, soh.transformed float64",
            "tags      cell.raw str",
            "splits    train (9)",
            "scalers   Negate of targets.soh, fitted to 'train'",
        ]
        narrow = cells["train"].select(tags=[], label="few").summary(max_width=40)
        assert "FeatureSetView 'few' of 'cells'" in narrow
        assert "tags" not in narrow
        assert len({len(line) for line in narrow.splitlines()}) == 1

    def test_visualize_shows_splits_and_what_they_share(self, cells):
        cells.add_split(cells.take([0, 1, 2], "train"))
        with pytest.warns(SplitOverlapWarning):
            cells.add_split(cells.take([2], 'a "test"'))
        text = cells.visualize(show_targets=False)
        columns = "features: voltage.raw (3,), current.raw, cycle.raw"
        assert text.splitlines() == [
            "flowchart LR",
            f'    root[("cells<br/>12 samples<br/>{columns}<br/>tags: cell.raw")]',
            f'    root --> s0["train<br/>3 samples<br/>{columns}"]',
            f'    root --> s1["a &quot;test&quot;<br/>1 sample<br/>{columns}"]',
            '    s0 -. "1 shared" .- s1',
        ]
        assert text._repr_markdown_().startswith("```mermaid\nflowchart")
        plain = cells.visualize(show_features=False, show_overlaps=False, show_tags=True)
        assert plain.count("tags: cell.raw") == 3
        assert "shared" not in plain
        assert "features" not in plain
        with pytest.raises(DataError, match="not 'everywhere'"):
            cells.visualize(show_tags="everywhere")

    def test_of_very_many_columns_the_first_are_shown(self):
        wide = FeatureSet.from_dict(
            "wide", {f"x{n}": [n] for n in range(200)}, [f"x{n}" for n in range(200)]
        )
        for text in (wide.summary(), wide.visualize(), wide._repr_html_()):
            assert "x29" in text
            assert "x30" not in text
            assert "170 more" in text

    def test_notebooks_show_a_table_of_the_columns(self, cells):
        cells.add_split(cells.take([3, 4], "a<b"))
        html = cells["a<b"].select(features=["voltage", "current"])._repr_html_()
        assert (
            "<td>features</td><td>voltage.raw</td><td>3</td><td>float64</td><td>[9, 10, 11]" in html
        )
        assert "<td>current.raw</td><td></td><td>float64</td><td>1.5</td>" in html
        assert "<td>cell.raw</td><td></td><td>str</td><td>c0</td>" in html
        assert "2 samples, 2 features, 1 target, 1 tag" in html
        assert "<br>splits: a&lt;b (2)" in cells._repr_html_()
        padded = FeatureSetView(cells, np.array([-1]), ["tags.cell.raw"])
        assert "<td>None</td>" in padded._repr_html_()
        assert "<td>str</td><td></td>" in padded.take([])._repr_html_()


class TestSplitsByName:
    def test_a_number_is_the_text_that_it_became(self, cells):
        cells.split_random({1: 0.5, 2: 0.5})
        assert cells[1].indices is cells["1"].indices
        assert 1 in cells
        assert "2" in cells
        assert "3" not in cells
        with pytest.raises(UnknownLabelError, match="called '3'"):
            cells.get_split(3)

    def test_there_is_no_one_thing_to_go_through(self, cells):
        with pytest.raises(TypeError, match="'FeatureSet' object is not iterable"):
            list(cells)

    def test_many_are_cut_short(self, cells):
        for number in range(40):
            cells.add_splits([cells.take([], f"s{number}")])
        assert "s29 (0), and 10 more" in cells._repr_html_()


def test_a_table_shows_scaled_columns_beside_raw_ones(cells):
    cells.fit_transform("Negate", domain="targets")
    html = cells._repr_html_()
    assert html.index("soh.raw") < html.index("soh.transformed") < html.index("cell.raw")


def test_what_is_no_longer_there_is_named(cells):
    cells.add_split(cells.take([0, 1], "tr"))
    cells.fit_transform("Negate", domain="features", keys="cycle")
    stale = cells["tr"]
    cells.undo_all_transforms()
    for look in (
        lambda: stale.column("cycle"),
        stale.summary,
        stale.to_pandas,
        stale.to_arrow,
        lambda: stale.to_featureset("own"),
        lambda: stale.get_features("torch", features="cycle"),
        stale.get_feature_shapes,
    ):
        with pytest.raises(DataError, match=r"'features.cycle.transformed' is no longer there"):
            look()
    assert cells["tr"].column("cycle").tolist() == [0, 1]
