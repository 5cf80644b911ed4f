import math
import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.recording.fingerprint import identify


def fingerprint(data):
    return identify(data).fingerprint


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "number": [1, 2, 3],
            "real": [0.5, math.nan, -math.inf],
            "word": ["a", None, "ccc"],
            "flag": [True, False, True],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
            "kind": pd.Categorical(["x", "y", "x"]),
            "list": [[1.0], [], [2.0, 3.0]],
        }
    )


def test_rows_and_columns_are_told(frame):
    identity = identify(frame)

    assert identity.rows == 3
    assert identity.columns == list(frame.columns)


def test_a_frame_an_arrow_table_and_a_mapping_of_columns_agree(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    columns = dict(frame.items())

    assert fingerprint(table) == fingerprint(frame) == fingerprint(columns)


def test_numbers_agree_wherever_they_come_from():
    values = [0.5, math.nan, 2.0]
    forms = [
        values,
        np.array(values),
        np.array(values, dtype=">f8"),
        torch.tensor(values, dtype=torch.float64, requires_grad=True),
        pd.Series(values, index=[7, 8, 9]),
        pa.chunked_array([[0.5], [None, 2.0]]),
    ]

    assert len({fingerprint({"x": form}) for form in forms}) == 1
    assert len({fingerprint(form) for form in forms}) == 1


def test_the_bits_of_a_nan_do_not_count():
    other_bits = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff", "<f8")

    assert fingerprint(other_bits) == fingerprint(np.array([math.nan]))


def test_how_arrow_keeps_a_column_does_not_count(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    twice = pa.concat_tables([table, table]).slice(3)
    large = table.set_column(2, "word", table["word"].cast(pa.large_string()))
    view = table.set_column(2, "word", table["word"].cast(pa.string()).cast(pa.string_view()))
    plain = table.set_column(5, "kind", table["kind"].cast(pa.string()))

    assert {fingerprint(form) for form in (twice, large, view, plain)} == {fingerprint(table)}


def test_an_array_with_axes_counts_by_values_shape_and_type():
    array = np.arange(24.0).reshape(2, 3, 4)
    forms = [array.copy(order="F"), torch.tensor(array), array[::-1][::-1]]

    assert {fingerprint(form) for form in forms} == {fingerprint(array)}
    assert identify(array).rows == 2
    others = [array.reshape(2, 4, 3), array.astype("f4"), array + 1]
    assert fingerprint(array) not in {fingerprint(other) for other in others}


@pytest.mark.parametrize("column", ["number", "real", "word", "flag", "day", "kind", "list"])
def test_any_changed_value_counts(frame, column):
    changed = frame.copy()
    changed[column] = [*frame[column][1:], frame[column][0]]

    assert fingerprint(changed) != fingerprint(frame)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.rename(columns={"number": "other"}),
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: frame.astype({"number": "int32"}),
        lambda frame: frame.iloc[:2],
        lambda frame: frame.drop(columns="flag"),
    ],
)
def test_names_order_types_and_length_count(frame, change):
    assert fingerprint(change(frame)) != fingerprint(frame)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", "x"], ["x", ""]),
        ([None, "x"], ["", "x"]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[], [1]], [None, [1]]),
        ([1, None], [1, 0]),
        ([b"x"], ["x"]),
        ([{"a": 1}], [{"b": 1}]),
        ([], [None]),
    ],
)
def test_neighbours_never_read_as_others(one, other):
    assert fingerprint({"x": one}) != fingerprint({"x": other})


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=3)),
        max_size=8,
    ),
    st.integers(0, 4),
)
def test_a_slice_of_an_arrow_column_is_the_same_as_its_values_alone(values, cut):
    whole = pa.array(["before"] * cut + values + ["after"], pa.string())

    sliced = whole.slice(cut, len(values))

    assert fingerprint({"x": sliced}) == fingerprint({"x": pa.array(values, pa.string())})


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=8))
def test_a_slice_of_whole_numbers_is_the_same_as_its_values_alone(values):
    whole = pa.array([1, None, *values], pa.int64())

    assert fingerprint(whole.slice(2)) == fingerprint(pa.array(values, pa.int64()))


def test_empty_data_has_a_fingerprint():
    assert identify(pd.DataFrame()).rows == 0
    assert identify(pd.DataFrame({"a": pd.Series([], dtype="str")})).columns == ["a"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "'a': 2, 'b': 1"),
        ({"a": [object()]}, "Column 'a', a list"),
        ({"a": "text"}, "a single value"),
        (3, "The data, a int"),
        ({"a": np.array([[object()]])}, "holds objects"),
        ("no/such/file.csv", "no data at no/such/file.csv"),
    ],
)
def test_what_has_no_fingerprint_is_refused_by_name(data, words):
    with pytest.raises(InvalidError, match=words):
        identify(data)


def test_a_file_and_a_directory_count_by_content_and_names(tmp_path):
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "a.txt").write_text("1")
    (data / "deep" / "b.txt").write_text("2")
    before = identify(data)

    assert before.rows == 2
    assert identify(str(data)) == before
    (data / "deep" / "b.txt").rename(data / "deep" / "c.txt")
    assert identify(data) != before
    assert identify(data / "a.txt").fingerprint != identify(data / "deep" / "c.txt").fingerprint


def test_another_process_gives_the_same_name():
    data = {"x": [1, 2], "word": ["a", "b"], "day": [date(2026, 1, 1)] * 2}
    program = (
        "import datetime; from tracker.recording.fingerprint import identify; "
        f"print(identify({data!r}).fingerprint)"
    )

    other = subprocess.check_output([sys.executable, "-c", program], text=True).strip()

    assert other == fingerprint(data)
