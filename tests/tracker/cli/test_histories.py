import csv
import io
import json
import math

import pyarrow.parquet
import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


def rows(text):
    header, *found = csv.reader(io.StringIO(text))
    return [dict(zip(header, row, strict=True)) for row in found]


class TestTable:
    def test_has_a_column_per_metric(self, labkeeper):
        assert labkeeper("history", "mlp-2").stdout == (
            "run    epoch  step  val_accuracy  val_loss\n"
            "mlp-2      0     0             0       0.5\n"
            "mlp-2      1    10          0.25  0.333333\n"
            "mlp-2      2    20           0.5       nan\n"
        )

    def test_is_long_on_request(self, labkeeper):
        text = labkeeper("history", "mlp", "--long", "--metric", "val_loss").stdout

        assert [line.split()[:5] for line in text.splitlines()] == [
            ["run", "metric", "step", "epoch", "value"],
            ["mlp", "val_loss", "0", "0", "1"],
            ["mlp", "val_loss", "10", "1", "0.5"],
            ["mlp", "val_loss", "20", "2", "0.333333"],
        ]

    def test_a_point_that_is_missing_is_no_nan(self, labkeeper, lab):
        with lab.run("gaps") as run:
            run.log(a=1.0, step=0)
            run.log(b=math.nan, step=1)

        assert labkeeper("history", "gaps").stdout == (
            "run   epoch  step  a    b\n"
            "gaps  -         0  1    -\n"
            "gaps  -         1  -  nan\n"
        )  # fmt: skip

    def test_metrics_may_be_called_like_columns(self, labkeeper, lab):
        with lab.run("odd") as run:
            run.log({"epoch": 0.5, "run": 0.25}, step=3, epoch=1)

        assert labkeeper("history", "odd").stdout.splitlines()[1].split() == [
            *("odd", "1", "3"),
            *("0.5", "0.25"),
        ]


class TestForms:
    def test_csv_is_long_and_exact(self, labkeeper):
        found = rows(labkeeper("history", "mlp-2", "--csv", "--metric", "val_loss").stdout)

        assert [row["value"] for row in found] == ["0.5", repr(1 / 3), "nan"]
        assert [(row["step"], row["epoch"]) for row in found] == [
            ("0", "0"),
            ("10", "1"),
            ("20", "2"),
        ]
        assert found[0]["time"].endswith("Z")

    def test_json_is_valid(self, labkeeper):
        found = json.loads(labkeeper("history", "mlp-2", "--json").stdout)

        assert [row["value"] for row in found if row["metric"] == "val_loss"][-1] == "NaN"

    @pytest.mark.parametrize("suffix", ["csv", "json", "ndjson"])
    def test_files_hold_what_would_be_printed(self, labkeeper, tmp_path, suffix):
        path = tmp_path / f"out.{suffix}"
        result = labkeeper("history", "mlp", "-o", str(path))

        assert (result.exit_code, result.stdout) == (0, "")
        assert path.read_text() == labkeeper("history", "mlp", f"--{suffix}").stdout

    def test_parquet_keeps_types_nan_and_what_is_missing(self, labkeeper, lab, tmp_path):
        with lab.run("gaps") as run:
            run.log(a=1.0, step=0)
            run.log(a=math.nan, step=1, epoch=0)
            run.log(a=math.inf, step=2)
        path = tmp_path / "out.parquet"
        labkeeper("history", "gaps", "-o", str(path))

        table = pyarrow.parquet.read_table(path)
        assert table.schema.names == ["run", "metric", "step", "epoch", "value", "time"]
        assert table["epoch"].to_pylist() == [None, 0, None]
        assert table["value"].null_count == 0
        first, second, third = table["value"].to_pylist()
        assert (first, math.isnan(second), third) == (1.0, True, math.inf)
        assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"

    def test_parquet_may_be_wide_or_empty(self, labkeeper, lab, tmp_path):
        with lab.run("silent"):
            pass
        wide, empty = tmp_path / "wide.parquet", tmp_path / "empty.parquet"
        labkeeper("history", "mlp", "--wide", "-o", str(wide))
        labkeeper("history", "silent", "-o", str(empty))

        assert pyarrow.parquet.read_table(wide).schema.names[2:] == [
            *("step", "val_accuracy", "val_loss"),
        ]
        assert pyarrow.parquet.read_table(empty).num_rows == 0

    def test_an_unknown_ending_names_the_known_ones(self, labkeeper, tmp_path):
        result = labkeeper("history", "mlp", "-o", str(tmp_path / "out.xlsx"))

        assert result.exit_code == 1
        assert result.stderr.endswith("must end in .csv, .json, .ndjson, .parquet.\n")
        assert not (tmp_path / "out.xlsx").exists()


class TestWhich:
    def test_several_runs_come_in_the_order_of_their_names(self, labkeeper):
        found = rows(labkeeper("history", "mlp-3", "mlp", "--csv").stdout)

        assert list(dict.fromkeys(row["run"] for row in found)) == ["mlp-3", "mlp"]

    def test_a_filter_describes_runs(self, labkeeper):
        found = rows(labkeeper("history", "--where", "lr < 0.05", "--csv").stdout)
        assert found == rows(labkeeper("history", "--runs", "lr < 0.05", "--csv").stdout)

        assert {row["run"] for row in found} == {"mlp-2", "mlp-3"}

    def test_equal_names_are_told_apart_by_their_experiments(self, labkeeper, lab):
        with lab.run("mlp", experiment="other") as run:
            run.log(loss=1.0, step=0)
        found = rows(labkeeper("history", "--where", "name == 'mlp'", "--csv").stdout)

        assert {row["run"] for row in found} == {"digits/mlp", "other/mlp"}

    def test_nobody_named_is_a_usage_error(self, labkeeper):
        assert labkeeper("history").exit_code == 2

    def test_a_misspelt_metric_suggests_the_nearest(self, labkeeper):
        result = labkeeper("history", "mlp", "--metric", "val_los")

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: There is no metric named 'val_los'. Did you mean 'val_loss'?\n"
        )

    def test_nothing_logged_is_said(self, labkeeper, lab):
        with lab.run("silent"):
            pass
        result = labkeeper("history", "silent")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "Nothing was logged.\n"
