"""A log's file: ours, and those that malet wrote."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError, LabUnusableError, NotFoundError
from tracker.sweeps.config import Config
from tracker.sweeps.log.table import Row, Table
from tracker.sweeps.log.tsv import format_table, parse_table, read_table, write_table

HERE = Path(__file__).parent
HEAD = "[Static Configs] of Labkeeper\n{}\n" + "-" * 45 + "\n"


def table(text):
    return parse_table(text, "log.tsv")


def same(one, other):
    return repr(one) == repr(other)


def test_a_file_of_malet_is_read_with_the_types_it_has():
    log = read_table(HERE / "malet.tsv")

    assert log.static == {
        "epochs": 3,
        "lr_decay": 0.001,
        "model": "ResNet32",
        "nested": {"a": [1, 2.5], "b": None},
    }
    assert log.grid_fields == ("optimizer", "lr", "sizes", "seed")
    assert log.metric_fields == (
        *("datetime", "duration", "commit_hash", "status"),
        *("train_loss", "val_acc", "note"),
    )
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456)  # noqa: DTZ001 - malet's have no time zone
    first, second, third = log.rows
    assert first == (
        {"optimizer": "sgd", "lr": 0.1, "sizes": [64, 32], "seed": 1},
        {
            "datetime": moment,
            "duration": timedelta(seconds=61.5),
            "commit_hash": "0d1e9c1f2a3b4c5d6e7f8091a2b3c4d5e6f70819",
            "status": "C",
            "train_loss": [0.9, 0.5, 0.25],
            "val_acc": 0.75,
            "note": 'a\tb "quoted"',
        },
    )
    assert second.config == {"optimizer": "adam", "lr": 1e-05, "sizes": [64], "seed": 2}
    assert same(second.metrics["train_loss"], [0.9, math.nan, math.inf])
    assert second.metrics["note"] == "two\nlines"
    assert second.metrics["duration"] == timedelta(days=1, seconds=5)
    assert {"val_acc", "commit_hash"}.isdisjoint(second.metrics)
    assert third.config == {"optimizer": "banana", "lr": 1, "sizes": [], "seed": 3}
    assert (third.metrics["commit_hash"], third.metrics["val_acc"]) == ("1234", math.inf)


@pytest.mark.parametrize("name", ["malet.tsv", "malet-one-field.tsv", "malet-empty.tsv"])
def test_what_was_read_from_malet_is_written_and_read_again(name):
    log = read_table(HERE / name)

    assert same(table(format_table(log)), log)


def test_an_empty_cell_of_malet_s_grid_is_none():
    text = HEAD.replace(" of Labkeeper", "") + "  \t  \tloss\nid\tlr\t    \n0\t\t0.5\n"

    assert table(text).rows == (Row(Config(lr=None), {"loss": 0.5}),)
    assert table(HEAD + "  \t  \tloss\nid\tlr\t    \n0\t\t0.5\n").rows[0].config == {}


def test_what_a_file_looks_like():
    log = Table(
        Config({"epochs": 3, "decay": "1e-3"}),
        ("optimizer", "lr"),
        ("status", "val_loss"),
        (
            Row(Config(optimizer="sgd", lr=0.1), {"status": "finished", "val_loss": [0.9, 0.5]}),
            Row(Config(optimizer="null"), {"val_loss": math.nan}),
            Row(Config(optimizer='"x', lr=None), {}),
        ),
    )

    assert format_table(log) == (
        "[Static Configs] of Labkeeper\n"
        "epochs: 3\n"
        'decay: "1e-3"\n'
        "---------------------------------------------\n"
        "  \t         \t  \tstatus\tval_loss\n"
        "id\toptimizer\tlr\t      \t        \n"
        "0\tsgd\t0.1\tfinished\t[0.9, 0.5]\n"
        "1\t'null'\t\t\tnan\n"
        '2\t"""x"\tNone\t\t\n'
    )
    assert same(table(format_table(log)), log)


names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=4)
cells = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@st.composite
def tables(draw):
    fields = draw(st.lists(names, unique=True, max_size=5))
    split = draw(st.integers(0, len(fields)))
    grid, metrics = fields[:split], fields[split:]
    static = draw(st.dictionaries(st.text(max_size=4), cells, max_size=3))

    def some(names):
        return {name: draw(cells) for name in names if draw(st.booleans())}

    rows = [Row(Config(some(grid)), some(metrics)) for _ in range(draw(st.integers(0, 3)))]
    static = {key: value for key, value in static.items() if key not in fields}
    return Table(Config(static), tuple(grid), tuple(metrics), tuple(rows))


@settings(max_examples=80, deadline=None)
@given(tables())
def test_a_log_survives_its_file(log):
    # Rows of nothing but their number included.
    assert same(table(format_table(log)), log)


@pytest.mark.parametrize("value", ["1e-3", "", "null", "None", "true", "a: b", "# x", " x ", "é\n"])
def test_text_among_the_static_values_stays_text(value):
    log = Table(Config({value or "k": value, "list": [value]}))

    assert table(format_table(log)).static == log.static


def test_without_parsing_cells_are_text():
    text = HEAD + "  \t  \tloss\nid\tlr\t    \n0\t1e-3\t[0.5]\n"

    assert parse_table(text, "log.tsv", parse=False).rows == (
        Row(Config(lr="1e-3"), {"loss": "[0.5]"}),
    )


def test_lines_may_end_as_on_windows():
    text = (HEAD + '  \t  \tloss\tnote\nid\tlr\t    \t    \n0\t1\t0.5\t"a"\n').replace("\n", "\r\n")

    assert table(text).rows == (Row(Config(lr=1), {"loss": 0.5, "note": "a"}),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "log.tsv is no log: it begins with [Static Configs]"),
        ("lr\tloss\n0.1\t0.5\n", "log.tsv is no log"),
        ("[Static Configs]\na: 1\n", "a line of 45 dashes"),
        (HEAD, "below the line of dashes stand the metrics' names"),
        (HEAD + "  \t  \tloss\nlr\t    \n", "below the line of dashes stand"),
        (HEAD.replace("{}", "a: 1\na: 2") + "", "log.tsv, line 3: the key 'a' stands twice"),
        (HEAD.replace("{}", "a: [1"), "log.tsv, line 3: not valid YAML"),
        (HEAD.replace("{}", "[1]"), "log.tsv, line 2: keys with values are expected"),
        (HEAD.replace("{}", "a: !!python/tuple [1]"), "log.tsv, line 2: the tag"),
        (HEAD + "\tlr\n" * 2, "below the line of dashes"),
        (HEAD + "  \t  \tlr\nid\tlr\t  \n", "two fields called 'lr'"),
        (HEAD + "  \t  \tlr\tlr\nid\ta\t  \t  \n", "two fields called 'lr'"),
        (HEAD.replace("{}", "lr: 1") + "  \t  \nid\tlr\n", "two fields called 'lr'"),
        (HEAD + "  \tloss\nid\t    \n0\t1\n1\n", "line 7: there are 1 cells, and 2 are expected"),
        (HEAD + '  \tloss\nid\t    \n0\t"a\nb"\n1\t1\t1\n', "line 8: there are 3 cells, and 2"),
        (HEAD + '  \tloss\nid\t    \n0\t"a\rb\n', "line 6: this is not a row of cells"),
    ],
)
def test_what_is_no_log_is_refused_with_its_place(text, words):
    with pytest.raises(InvalidError) as refused:
        table(text)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "log.tsv").write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidError, match=r"log.tsv is no log: not text in UTF-8"):
        read_table(tmp_path / "log.tsv")
    with pytest.raises(NotFoundError, match=r"Did you mean '.*log\.tsv'"):
        read_table(tmp_path / "lg.tsv")
    with pytest.raises(LabUnusableError, match="a directory is in the way"):
        read_table(tmp_path)


def test_a_file_is_written_whole_and_its_folder_made(tmp_path, monkeypatch):
    log = Table(Config(a=1), ("lr",), ("loss",), (Row(Config(lr=1), {"loss": 0.5}),))
    write_table(log, tmp_path / "new" / "log.tsv")
    monkeypatch.chdir(tmp_path)
    write_table(log, Path("bare.tsv"))

    assert same(read_table(tmp_path / "bare.tsv"), read_table(tmp_path / "new" / "log.tsv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.tsv", "new"]


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(LabUnusableError, match="Cannot use"):
        write_table(Table(), tmp_path / "file" / "log.tsv")


@pytest.mark.parametrize("name", ["", " lr", "a\tb", "a\nb", "\ud800"])
def test_a_name_that_a_file_cannot_hold_is_refused(name):
    with pytest.raises(InvalidError, match="cannot be the name of a field"):
        Table(grid_fields=(name,))
    with pytest.raises(InvalidError, match="cannot be the name of a field"):
        Table(metric_fields=(name,))
