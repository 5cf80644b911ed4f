import csv
import math

import numpy as np
import pandas as pd
import pytest

from tracker.errors import InvalidError
from tracker.plots import draw, save_data
from tracker.plots.output.data import csv_of

NAN, INF = math.nan, math.inf


def rows(drawn):
    return list(csv.DictReader(csv_of(drawn.table).splitlines()))


def test_holds_exactly_what_is_drawn(plotted):
    curves = {"a": [0.1 + 0.2, NAN, INF], "b": [1e-300, -INF, 5.0]}
    drawn = plotted(curves)
    found = rows(drawn)
    lines = [line for line in draw(drawn).axes.lines if line.get_linestyle() != "None"]

    for name, line in zip("ab", lines, strict=True):
        of_run = [row for row in found if row["run"] == name]
        written = np.array([float(row["value"]) for row in of_run])
        np.testing.assert_array_equal(written, curves[name])
        np.testing.assert_array_equal(
            np.where(np.isfinite(written), written, NAN), line.get_ydata()
        )
        assert [float(row["epoch"]) for row in of_run] == line.get_xdata().tolist()


def test_a_band_that_is_not_there_is_nan_and_a_missing_value_empty(plotted):
    curves = {"a": [1.0, 2.0], "b": [3.0]}
    about = {"params": {"opt": [None, None]}, "lines": "opt", "align": "any"}
    found = rows(plotted(curves, **about))

    assert [row["low"] for row in found] == [repr(2 - 2**0.5), "nan"]
    assert [row["opt"] for row in found] == ["", ""]
    assert [row["runs"] for row in found] == ["2", "1"]


def test_drawing_less_points_changes_no_number(plotted):
    values = np.random.default_rng(1).normal(size=20_000).tolist()
    drawn = plotted({"a": values})
    draw(drawn)

    assert [float(row["value"]) for row in rows(drawn)] == values


def test_moments_are_dates_and_outliers_stand_side_by_side(plotted):
    (moment, *_) = rows(plotted({"a": [1.0]}, x="wall"))
    values = {str(n): [float(value)] for n, value in enumerate([1, 2, 2, 2, 3, 3, 90, 100])}
    (box,) = rows(plotted(values, kind="box"))

    assert pd.Timestamp(moment["wall"]) == pd.Timestamp("2026-01-01T10:00:00Z")
    assert box["outliers"] == "90.0 100.0"


def test_is_written_whole_into_a_folder_that_is_there(plotted, tmp_path):
    drawn = plotted({"a": [1.0]})
    save_data(drawn, tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_text() == csv_of(drawn.table)
    with pytest.raises(InvalidError, match="no folder"):
        save_data(drawn, tmp_path / "nowhere" / "out.csv")
