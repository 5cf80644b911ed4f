"""Records become a few arrays, and the same records again."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.results.columns import as_columns, from_columns
from engine.saving import read_file, write_file

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=3)
)
FIELDS = ("a", "b", "c")


@given(st.lists(st.tuples(st.integers(-5, 5), st.floats(), VALUES), max_size=70))
@example([(1, 0.5, None)] * 40)
@example([(n, -0.0 if n % 2 else 0.0, 0.0 if n % 3 else -0.0) for n in range(40)])
@example([(n, math.nan, [True, 1, 1.0, "1", None][n % 5]) for n in range(40)])
@settings(max_examples=40)
def test_the_same_come_back_from_a_file(tmp_path_factory, records):
    path = tmp_path_factory.getbasetemp() / "columns"
    given_records = [dict(zip(FIELDS, record, strict=True)) for record in records]
    write_file(path, "columns", as_columns(given_records, FIELDS))

    found = from_columns(read_file(path)[0])

    assert [shown(one) for one in found] == [shown(one) for one in given_records]


def shown(record):
    return [(name, type(value), repr(value)) for name, value in record.items()]


def test_many_are_small():
    records = [{"a": n, "b": n / 7, "c": "the same text"} for n in range(1000)]

    columns = as_columns(records, FIELDS)["columns"]

    assert columns["a"].nbytes + columns["b"].nbytes + columns["c"]["at"].nbytes == 16_000
