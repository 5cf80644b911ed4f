import pytest

from engine.errors import DataError, UnknownLabelError
from engine.features.schema import Column, ColumnIndex, SampleSchema

NAMES = [
    "features.voltage.raw",
    "features.voltage.transformed",
    "features.current.raw",
    "features.a.b.raw",
    "targets.soh.raw",
    "targets.soh.transformed",
    "tags.cell.raw",
    "tags.voltage.raw",
]


@pytest.fixture(scope="module")
def index():
    return ColumnIndex(NAMES)


def names(columns):
    return [column.name for column in columns]


class TestColumn:
    def test_a_key_may_have_dots(self):
        assert Column.parse("features.a.b.raw") == ("features", "a.b", "raw")
        assert Column("features", "a.b", "raw").name == "features.a.b.raw"

    @pytest.mark.parametrize("name", ["x", "features.x", "other.x.raw", "features..raw", ""])
    def test_what_is_no_full_name_is_refused(self, name):
        with pytest.raises(DataError, match=r"domain\.key\.representation"):
            Column.parse(name)


class TestFind:
    @pytest.mark.parametrize(
        ("selector", "rep", "found"),
        [
            ("voltage", None, ["features.voltage.transformed"]),
            ("voltage", "raw", ["features.voltage.raw"]),
            ("voltage.raw", None, ["features.voltage.raw"]),
            ("features.voltage.raw", None, ["features.voltage.raw"]),
            ("features.voltage", None, ["features.voltage.transformed"]),
            ("current", None, ["features.current.raw"]),
            ("a.b", None, ["features.a.b.raw"]),
            ("a.b.raw", None, ["features.a.b.raw"]),
            ("*rr*", None, ["features.current.raw"]),
            ("features.*rr*", None, ["features.current.raw"]),
            (
                "*",
                None,
                ["features.voltage.transformed", "features.current.raw", "features.a.b.raw"],
            ),
            (
                "[vc]*.raw",
                None,
                ["features.voltage.raw", "features.current.raw"],
            ),
        ],
    )
    def test_keys_representations_domains_and_wildcards(self, index, selector, rep, found):
        assert names(index.find("features", selector, rep)) == found

    def test_a_key_with_wildcard_characters_means_itself(self):
        index = ColumnIndex(["features.x[0].raw", "features.x0.raw"])
        assert names(index.find("features", "x[0]")) == ["features.x[0].raw"]

    def test_unknown_ones_suggest_the_nearest(self, index):
        with pytest.raises(
            UnknownLabelError, match=r"no feature column 'voltag'\. Did you mean 'voltage'"
        ):
            index.find("features", "voltag")
        with pytest.raises(UnknownLabelError, match=r"no target column 'z\*'"):
            index.find("targets", "z*")

    def test_a_representation_that_a_key_lacks_is_named(self, index):
        with pytest.raises(
            UnknownLabelError, match=r"representation of features\.current 'transformed'"
        ):
            index.find("features", "current", "transformed")

    def test_anywhere_looks_in_every_domain(self, index):
        assert names(index.find_anywhere("soh.raw")) == ["targets.soh.raw"]
        assert names(index.find_anywhere("tags.voltage")) == ["tags.voltage.raw"]
        assert len(index.find_anywhere("voltage")) == 2
        with pytest.raises(UnknownLabelError, match="Did you mean 'current'"):
            index.find_anywhere("curent")


class TestSelect:
    def test_nothing_said_takes_everything_in_its_newest_form(self, index):
        for fill in (True, False):
            assert names(index.select(fill=fill)) == [
                "features.voltage.transformed",
                "features.current.raw",
                "features.a.b.raw",
                "targets.soh.transformed",
                "tags.cell.raw",
                "tags.voltage.raw",
            ]

    def test_a_domain_without_selector_is_filled_or_left_out(self, index):
        selected = index.select(features="current", fill=False)
        assert names(selected) == ["features.current.raw"]
        filled = names(index.select(features="current", tags=[], fill=True))
        assert filled == ["features.current.raw", "targets.soh.transformed"]

    def test_full_names_and_selectors_go_together_and_nothing_comes_twice(self, index):
        selected = index.select(
            ["features.current.raw", "tags.cell.raw"],
            features=["current", "voltage"],
            fill=False,
        )
        assert names(selected) == [
            "features.current.raw",
            "features.voltage.transformed",
            "tags.cell.raw",
        ]

    def test_a_representation_counts_where_the_domain_has_it(self, index):
        selected = names(index.select(targets="soh", features=[], rep="transformed", fill=True))
        assert selected == ["targets.soh.transformed", "tags.cell.raw", "tags.voltage.raw"]
        with pytest.raises(UnknownLabelError, match=r"features\.current 'transformed'"):
            index.select(rep="transformed", fill=True)


def test_a_schema_sorts_plain_columns_into_domains():
    schema = SampleSchema("a", ["b", "c"], tags="a")
    assert schema.columns() == {
        "features.a.raw": "a",
        "targets.b.raw": "b",
        "targets.c.raw": "c",
        "tags.a.raw": "a",
    }


class TestKeysThatLookLikeOthers:
    def test_a_full_name_means_itself(self):
        index = ColumnIndex(
            ["features.x.raw", "features.x.raw.raw", "features.features.x.raw", "targets.x.raw"]
        )
        for name in index.names:
            assert names(index.find_anywhere(name)) == [name]
            assert names(index.select(name, fill=False)) == [name]
            assert names(index.find(name.partition(".")[0], name)) == [name]

    def test_a_full_name_of_another_domain_is_not_found(self, index):
        with pytest.raises(UnknownLabelError, match=r"no feature column 'targets\.soh\.raw'"):
            index.find("features", "targets.soh.raw")


class TestRepresentations:
    @pytest.mark.parametrize("rep", ["q", "transfomed", ""])
    def test_a_misspelt_one_is_never_ignored(self, rep):
        index = ColumnIndex(["features.x.raw"])
        for call in (
            lambda: index.select(rep=rep, fill=True),
            lambda: index.select(features="x", rep=rep, fill=True),
            lambda: index.find_all("features", None, rep),
            lambda: index.find_anywhere("x", rep),
        ):
            with pytest.raises(UnknownLabelError, match="no representation '"):
                call()

    def test_of_one_key_stand_side_by_side(self):
        index = ColumnIndex(["features.a.raw", "features.b.raw", "features.a.transformed"])
        assert names(index.grouped("features")) == [
            "features.a.raw",
            "features.a.transformed",
            "features.b.raw",
        ]


def test_one_name_may_be_a_number():
    assert SampleSchema(0, [1], "t").columns() == {
        "features.0.raw": 0,
        "targets.1.raw": 1,
        "tags.t.raw": "t",
    }
