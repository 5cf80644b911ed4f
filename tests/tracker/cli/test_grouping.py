import csv
import io
import json

import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


def test_groups_by_a_parameter(labkeeper):
    text = labkeeper("group", "depth", "-m", "best(val_loss), seed").stdout

    assert [line.split() for line in text.splitlines()] == [
        ["depth", "metric", "runs", "count", "nan", "mean", "std", "min", "max"],
        ["3", "best(val_loss)", "3", "3", "0", "0.288889", "0.07698", "0.2", "0.333333"],
        ["3", "seed", "3", "3", "0", "7", "0", "7", "7"],
    ]


def test_a_filter_and_an_order(labkeeper):
    result = labkeeper(
        *("group", "lr", "-m", "best(val_loss)", "--where", "lr < 0.1"),
        *("--sort", "mean", "--desc", "--csv"),
    )
    header, *rows = csv.reader(io.StringIO(result.stdout))

    assert header[:3] == ["lr", "metric", "runs"]
    assert [row[0] for row in rows] == ["0.01", "0.001"]


def test_all_are_one_group_without_a_key(labkeeper):
    (row,) = json.loads(labkeeper("group", "-m", "last(val_loss)", "--json").stdout)

    assert (row["runs"], row["count"], row["nan"]) == (3, 2, 1)


def test_of_pipelines_there_is_nothing(labkeeper):
    result = labkeeper("group", "lr", "-m", "val_loss", "--pipelines")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nothing is there to be grouped.\n"


def test_what_is_no_number_is_refused(labkeeper):
    result = labkeeper("group", "lr", "-m", "name")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 'name' is no number")
