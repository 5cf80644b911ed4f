import csv
import io
import json
import math

import pytest

from tracker.cli.output import Form, Table, numeric_columns, write_table
from tracker.cli.terminal import drawn, fitted

RUNS = Table(
    ["name", "status", "lr", "best(val_loss)", "tags"],
    [
        ["mlp", "finished", 0.01, 0.123456789, ["a", "b"]],
        ["a-long-name", "failed", None, math.nan, []],
    ],
)


def test_piped_text_is_aligned_with_numbers_to_the_right(capsys):
    write_table(RUNS)

    assert capsys.readouterr().out == (
        "name         status      lr  best(val_loss)  tags\n"
        "mlp          finished  0.01        0.123457  a, b\n"
        "a-long-name  failed       -             nan  -\n"
    )


def test_wide_characters_keep_the_columns(capsys):
    write_table(Table(["name", "n"], [["学习", 1], ["ab", 2]]))

    assert capsys.readouterr().out == "name  n\n学习  1\nab    2\n"


def test_csv_is_exact(capsys):
    write_table(RUNS, Form.CSV)

    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["name", "status", "lr", "best(val_loss)", "tags"],
        ["mlp", "finished", "0.01", "0.123456789", '["a", "b"]'],
        ["a-long-name", "failed", "", "nan", "[]"],
    ]


def test_json_is_a_list_of_objects(capsys):
    write_table(RUNS, Form.JSON)
    first, second = json.loads(capsys.readouterr().out)

    assert first == {
        "name": "mlp",
        "status": "finished",
        "lr": 0.01,
        "best(val_loss)": 0.123456789,
        "tags": ["a", "b"],
    }
    assert (second["lr"], second["best(val_loss)"]) == (None, "NaN")


def test_ndjson_is_one_object_a_line(capsys):
    write_table(RUNS, Form.NDJSON)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["mlp", "a-long-name"]


@pytest.mark.parametrize(
    ("form", "out"),
    [(None, ""), (Form.CSV, "a,b\n"), (Form.JSON, "[]\n"), (Form.NDJSON, "")],
)
def test_nothing_is_said_on_stderr_and_stays_parseable(capsys, form, out):
    write_table(Table(["a", "b"], []), form, empty="Nothing yet.")

    captured = capsys.readouterr()
    assert captured.out == out
    assert captured.err == ("Nothing yet.\n" if form is None else "")


def test_columns_are_numeric_only_with_numbers_and_nothing_else():
    table = Table(list("abcd"), [[1, None, "1", True], [None, None, 2, False]])

    assert numeric_columns(table) == [True, False, False, False]


class TestTerminal:
    def lines(self, table, width):
        from rich.console import Console

        console = Console(width=width, file=io.StringIO(), color_system=None)
        console.print(drawn(table, width))
        return console.file.getvalue().splitlines()

    def test_everything_stands_in_a_wide_one(self):
        header, _rule, first, second = self.lines(RUNS, 100)

        assert header.split() == ["name", "status", "lr", "best(val_loss)", "tags"]
        assert first.split() == ["mlp", "finished", "0.01", "0.123457", "a,", "b"]
        assert "nan" in second

    @pytest.mark.parametrize("width", [10, 20, 40, 60])
    def test_no_line_is_longer_than_the_terminal(self, width):
        assert all(len(line) <= width for line in self.lines(RUNS, width))

    def test_columns_that_do_not_fit_are_counted(self):
        assert self.lines(RUNS, 47)[-1].startswith("1 column did not fit; ")
        assert self.lines(RUNS, 40)[-1].startswith("2 columns did not fit; ")

    def test_long_texts_give_way_before_a_column_is_dropped(self):
        long = Table(["name", "lr"], [["n" * 60, 0.01]])

        row = self.lines(long, 40)[-1]
        assert "…" in row
        assert row.endswith("0.01")

    def test_a_note_stands_below(self):
        assert self.lines(RUNS._replace(note="3 more"), 100)[-1] == "3 more"

    def test_names_are_no_markup(self):
        assert "[red]x[/red]" in self.lines(Table(["name"], [["[red]x[/red]"]]), 40)[-1]

    @pytest.mark.parametrize(
        ("width", "sizes"), [(100, [30, 8]), (30, [20, 8]), (24, [14, 8]), (20, [20]), (5, [14])]
    )
    def test_widths(self, width, sizes):
        assert fitted([30, 8], [False, True], width) == sizes

    @pytest.mark.parametrize(
        ("width", "sizes"), [(60, [24, 8, 24]), (100, [30, 8, 58]), (40, [14, 8, 14])]
    )
    def test_texts_that_are_cut_share_the_room(self, width, sizes):
        assert fitted([30, 8, 200], [False, True, False], width) == sizes
