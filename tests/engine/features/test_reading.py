import datetime as dt
import math
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from pyarrow import parquet

from engine.context import ExperimentContext
from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet
from tests.engine.features.any_columns import COLUMNS, build

PLAIN = {"feature_cols": ["x", "t"], "target_cols": "y", "tag_cols": "z"}
FRAME = pd.DataFrame(
    {
        "cell": ["b", "a", "b", "a"],
        "time": [2, 2, 1, 1],
        "voltage": [22.5, 12.5, 21.5, 11.5],
    }
)


def read(method, *args, **kwargs):
    with ExperimentContext.dont_register():
        return getattr(FeatureSet, method)("read", *args, **kwargs)


def plain_frame(rows):
    return pd.DataFrame({name: [row[place] for row in rows] for place, name in enumerate("xyzt")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


class TestParquet:
    @given(COLUMNS)
    def test_is_what_the_frame_was(self, folder, rows):
        path = folder / "x.parquet"
        plain_frame(rows).to_parquet(path)
        assert read("from_parquet", path, **PLAIN).fingerprint == build(rows).fingerprint

    def test_arrow_out_and_back_keeps_everything(self, folder, cells):
        path = folder / "cells.parquet"
        parquet.write_table(cells.to_arrow(), path, row_group_size=5)
        back = read("from_parquet", path)
        assert back == cells
        assert (back.get_sample_uuids() == cells.get_sample_uuids()).all()

    def test_lists_become_arrays(self, folder):
        table = pa.table({"x": [[1.0, 2.0], [3.0, 4.0]], "y": [[[1], [2]], [[3], [4]]]})
        parquet.write_table(table, folder / "lists.parquet")
        back = read("from_parquet", folder / "lists.parquet", ["x", "y"])
        assert back.get_feature_shapes(include_rep_suffix=False) == {
            "features.x": (2,),
            "features.y": (2, 1),
        }

    def test_a_folder_is_read_in_the_order_of_its_names(self, tmp_path):
        for name, value in (("b", 2), ("a", 1), ("c", 3)):
            parquet.write_table(pa.table({"x": [value]}), tmp_path / f"{name}.parquet")
        assert read("from_parquet", tmp_path, "x").column("x").tolist() == [1, 2, 3]

    def test_null_is_nan_only_where_pandas_wrote_it(self, tmp_path):
        pd.DataFrame({"x": [1.0, math.nan]}).to_parquet(tmp_path / "pandas.parquet")
        assert math.isnan(read("from_parquet", tmp_path / "pandas.parquet", "x").column("x")[1])
        parquet.write_table(pa.table({"x": [1.0, None]}), tmp_path / "other.parquet")
        with pytest.raises(DataError, match="'x' has no value in row 1"):
            read("from_parquet", tmp_path / "other.parquet", "x")

    def test_groups_as_frames_do(self, folder):
        FRAME.to_parquet(folder / "g.parquet")
        options = {"group_by": "cell", "tag_cols": "cell", "sort_by": "time"}
        grouped = read("from_parquet", folder / "g.parquet", "voltage", **options)
        assert grouped == read("from_pandas", FRAME, "voltage", **options)
        assert grouped.column("voltage").tolist() == [[11.5, 12.5], [21.5, 22.5]]

    @pytest.mark.parametrize(
        ("first", "second", "error", "match"),
        [
            ({"x": [1.0]}, {"y": [3]}, UnknownLabelError, r"no column in .*b\.parquet called 'x'"),
            (
                {"x": ["1"]},
                {"x": [1]},
                DataError,
                r"'x' is int64 in .*b\.parquet, and string in .*a",
            ),
            ({"x": [1.5]}, {"x": [1]}, DataError, "'x' is int64 in .*, and double in"),
        ],
    )
    def test_files_of_a_folder_that_do_not_fit_are_named(
        self, tmp_path, first, second, error, match
    ):
        pd.DataFrame(first).to_parquet(tmp_path / "a.parquet")
        pd.DataFrame(second).to_parquet(tmp_path / "b.parquet")
        with pytest.raises(error, match=match):
            read("from_parquet", tmp_path, "x")

    def test_files_of_a_folder_may_hold_texts_in_any_form_and_nothing(self, tmp_path):
        for name, tags in (
            ("a", pa.nulls(1)),
            ("b", pa.array(["p"])),
            ("c", pa.array(["q"], pa.large_string())),
            ("d", pa.array(["r"]).dictionary_encode()),
            ("e", pa.nulls(1)),
        ):
            parquet.write_table(pa.table({"x": [1.0], "t": tags}), tmp_path / f"{name}.parquet")
        back = read("from_parquet", tmp_path, "x", tag_cols="t")
        assert back.column("t").tolist() == [None, "p", "q", "r", None]

    def test_an_empty_folder_is_named(self, tmp_path):
        with pytest.raises(DataError, match=f"There are no Parquet files in {tmp_path}"):
            read("from_parquet", tmp_path, "x")

    def test_what_is_not_parquet_is_named(self, tmp_path):
        (tmp_path / "x.parquet").write_bytes(b"not parquet")
        with pytest.raises(DataError, match=r"x\.parquet cannot be read as Parquet"):
            read("from_parquet", tmp_path / "x.parquet", "x")


class TestCsv:
    def test_numbers_texts_truth_and_times(self, folder):
        frame = pd.DataFrame(
            {
                "whole": [1, 2],
                "number": [0.1, math.nan],
                "text": ["a,b", 'say "no"\nnow'],
                "truth": [True, False],
                "day": [dt.date(2024, 1, 1), dt.date(2024, 12, 31)],
                "time": pd.to_datetime(["2024-01-01 12:00", "2024-01-02 13:00"]),
            }
        )
        frame.to_csv(folder / "x.csv", index=False, na_rep="nan")
        back = read("from_csv", folder / "x.csv", list(frame.columns))
        assert back == read("from_pandas", frame, list(frame.columns))

    @given(COLUMNS)
    @example([(-0.0, 1, "", True), (5e-324, -1, "nan", False), (-math.nan, 0, " ", True)])
    @example([(math.inf, 1, "None", True), (-math.inf, 0, "x\n\r\n", True)])
    def test_is_what_the_frame_was(self, folder, rows):
        # Texts that look like something else would be taken for it, and csv has no null byte.
        rows = [(x, y, "~" + z.replace("\0", "").replace("\r", ""), t) for x, y, z, t in rows]
        rows = [(float(x) + 0.0 * y, y, z, t) for x, y, z, t in rows]
        frame = plain_frame(rows)
        # Written without a point, a column of numbers would be one of whole numbers.
        frame["x"] = [repr(value) for value in frame["x"]]
        frame.to_csv(folder / "any.csv", index=False)
        assert read("from_csv", folder / "any.csv", **PLAIN).fingerprint == build(rows).fingerprint

    def test_texts_of_several_lines_may_lie_anywhere_in_a_large_file(self, tmp_path):
        texts = ["a\n\nb" * 20 for _ in range(40_000)]
        pd.DataFrame({"x": range(40_000), "t": texts}).to_csv(tmp_path / "x.csv", index=False)
        back = read("from_csv", tmp_path / "x.csv", "x", tag_cols="t")
        assert back.column("t").tolist() == texts

    def test_an_empty_cell_is_missing(self, tmp_path):
        path = tmp_path / "x.csv"
        path.write_text('x,t\n1.5,\n,"a"\n2.5,""\n')
        with pytest.raises(DataError, match="'x' has no value in row 1"):
            read("from_csv", path, "x")
        path.write_text('x,t\n1.5,\n1.5,"a"\n2.5,""\n')
        assert read("from_csv", path, "x", tag_cols="t").column("t").tolist() == [None, "a", ""]

    def test_the_delimiter_may_be_another(self, tmp_path):
        (tmp_path / "x.csv").write_text("a;b\n1;2\n")
        assert read("from_csv", tmp_path / "x.csv", "b", delimiter=";").column("b").tolist() == [2]

    def test_groups_as_frames_do(self, folder):
        FRAME.to_csv(folder / "g.csv", index=False)
        options = {"group_by": "cell", "tag_cols": "cell", "sort_by": "time"}
        grouped = read("from_csv", folder / "g.csv", "voltage", **options)
        assert grouped == read("from_pandas", FRAME, "voltage", **options)

    @pytest.mark.parametrize(
        ("text", "error", "match"),
        [
            ("a,b\n1,2\n3\n", DataError, r"x\.csv cannot be read as CSV: .*Expected 2 columns"),
            ("", DataError, r"x\.csv cannot be read as CSV"),
            ("x,x\n1,2\n", DataError, r"x\.csv has several columns named 'x'"),
            ("a,xx\n1,2\n", UnknownLabelError, r"no column in .*x\.csv called 'x'.*mean 'xx'"),
            ("x\n", DataError, "There are no rows"),
        ],
    )
    def test_bad_files_are_named(self, tmp_path, text, error, match):
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(error, match=match):
            read("from_csv", tmp_path / "x.csv", "x")

    def test_other_encodings_are_refused(self, tmp_path):
        (tmp_path / "x.csv").write_bytes("x,y\n1,é\n".encode("latin-1"))
        with pytest.raises(DataError, match=r"'y' of .*x\.csv is not in UTF-8"):
            read("from_csv", tmp_path / "x.csv", "x", tag_cols="y")
        (tmp_path / "x.csv").write_bytes("x,é\n1,2\n".encode("latin-1"))
        with pytest.raises(DataError, match=r"x\.csv cannot be read as CSV: .*utf-8"):
            read("from_csv", tmp_path / "x.csv", "x")

    @pytest.mark.parametrize("delimiter", [";;", ""])
    def test_a_delimiter_is_one_character(self, tmp_path, delimiter):
        (tmp_path / "x.csv").write_text("x;;y\n1;;2\n")
        with pytest.raises(DataError, match="A delimiter is one character"):
            read("from_csv", tmp_path / "x.csv", "x", delimiter=delimiter)


class TestNpz:
    @given(COLUMNS)
    def test_is_what_the_arrays_were(self, folder, rows):
        # numpy's own texts end before null characters at their end.
        rows = [(x, y, z.rstrip("\0"), t) for x, y, z, t in rows]
        frame = plain_frame(rows)
        arrays = {name: frame[name].to_numpy() for name in "xyt"}
        np.savez(folder / "x.npz", **arrays, z=np.array([row[2] for row in rows], dtype=str))
        back = read("from_npz", folder / "x.npz", ["x", "t"], "y", "z")
        assert back.fingerprint == build(rows).fingerprint

    def test_full_names_need_no_words(self, folder, cells):
        data = cells.select(tags=[]).get_data()
        np.savez(folder / "cells.npz", **data)
        assert read("from_npz", folder / "cells.npz") == cells.select(tags=[]).to_featureset("c")

    def test_objects_are_not_unpickled(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
        np.savez(tmp_path / "x.npz", x=np.array(["a", None], dtype=object))
        with pytest.raises(DataError, match=r"'x' of .*x\.npz holds Python objects"):
            read("from_npz", tmp_path / "x.npz", "x")

    def test_bad_files_are_named(self, tmp_path):
        np.save(tmp_path / "x.npy", np.arange(3))
        with pytest.raises(DataError, match=r"x\.npy holds one array"):
            read("from_npz", tmp_path / "x.npy", "x")
        (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(DataError, match=r"x\.npz cannot be read as NumPy"):
            read("from_npz", tmp_path / "x.npz", "x")
        np.savez(tmp_path / "y.npz", a=np.arange(3))
        with pytest.raises(UnknownLabelError, match=r"no column in .*y\.npz called 'x'"):
            read("from_npz", tmp_path / "y.npz", "x")
        (tmp_path / "z.npz").write_text("x,y")
        with pytest.raises(DataError, match=r"z\.npz is no \.npz file") as caught:
            read("from_npz", tmp_path / "z.npz", "x")
        assert "pickle" not in str(caught.value)

    def test_damage_anywhere_is_an_error_that_names_the_file(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez_compressed(path, x=np.arange(20.0))
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            try:
                values = read("from_npz", path, "x").column("x")
            except (DataError, UnknownLabelError) as error:
                assert str(path) in str(error), place  # noqa: PT017 - not every byte matters
            else:
                assert values.tolist() == list(range(20))


METHODS = ["from_parquet", "from_csv", "from_npz", "from_arrow"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("others", [("y",), ((), "g"), ((), (), "t"), ((), (), (), "s")])
def test_what_is_said_of_columns_without_naming_features_is_refused(method, others, tmp_path):
    if len(others) > 2 and method in {"from_npz", "from_arrow"}:
        others = ((), others[2] if len(others) == 3 else others[3])
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(DataError, match="Name the feature columns too"):
        read(method, tmp_path / "x", None, *others)


def test_an_error_about_what_was_read_names_the_file(tmp_path):
    gap = pd.array([1, None], dtype="Int64")
    frame = pd.DataFrame({"features.x.raw": gap, "features.y.raw": [1, 2]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    np.savez(tmp_path / "x.npz", **{"features.x.raw": np.array(["NaT"], "M8[s]")})
    for kind in ("csv", "parquet", "npz"):
        with pytest.raises(DataError, match=rf"x\.{kind}: Column 'x' has no value"):
            read(f"from_{kind}", tmp_path / f"x.{kind}")
        with pytest.raises(DataError, match=rf"x\.{kind}: Column 'features.x.raw' has no value"):
            read(f"from_{kind}", tmp_path / f"x.{kind}", "features.x.raw")


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_is_not_there_is_named(method, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone"):
        read(method, tmp_path / "gone", "x")
