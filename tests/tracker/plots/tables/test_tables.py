import math

import numpy as np
import pandas as pd
import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.plots import make_table, options_from, records_from
from tracker.plots.tables.boxes import box

NAN, INF = math.nan, math.inf


class TestLong:
    def test_holds_the_points_and_nothing_else(self, plotted):
        table = plotted({"a": [3.0, NAN, 1.5], "b": [INF]}).table

        assert table["run"].tolist() == ["a", "a", "a", "b"]
        assert table["epoch"].tolist() == [0, 1, 2, 0]
        np.testing.assert_array_equal(table["value"], [3, NAN, 1.5, INF])
        assert "low" not in table

    def test_runs_come_in_the_order_of_their_table(self, plotted):
        assert list(plotted({"b": [1.0], "a": [2.0]}).table["run"]) == ["b", "a"]

    def test_values_come_by_size_and_what_is_missing_last(self, plotted):
        curves, rates = {name: [1.0] for name in "abcd"}, [10, "auto", None, 2]
        table = plotted(curves, params={"lr": rates}, lines="lr").table

        assert table["lr"].astype(object).where(table["lr"].notna(), None).tolist() == [
            2,
            10,
            "auto",
            None,
        ]

    def test_an_order_may_be_asked_for(self, grid):
        table = grid[1](lines="opt", x="lr", average="seed", order="opt sgd adam").table

        assert list(dict.fromkeys(table["opt"])) == ["sgd", "adam"]
        with pytest.raises(InvalidError, match="leaves out sgd"):
            grid[1](lines="opt", x="lr", order="opt adam")
        with pytest.raises(InvalidError, match="no place in the picture"):
            grid[1](lines="opt", order="seed 0 1")

    def test_the_best_of_each_line_is_marked(self, plotted):
        curves = {("a", "loss"): [3, 1, 1], ("a", "acc"): [0.1, NAN, 0.9]}
        goals = {"loss": "min", "acc": "max"}
        table = plotted(curves, ["loss", "acc"], goals=goals, kind="curve_best").table

        assert table["best"].tolist() == [False, True, False, False, False, True]

    def test_a_mean_without_a_common_point_is_refused(self, history, runs):
        table = history({("a", "m"): [1.0], ("b", "m"): [2.0]}).assign(epoch=[0, 1])
        records = records_from(table, runs("a", "b", lr=[1, 1]))

        with pytest.raises(InvalidError, match=r"2 runs of 'lr=1' have no point.*align any"):
            make_table(records, ["m"], options_from({"group_by": "lr"}))

    def test_a_range_that_leaves_nothing_is_refused(self, plotted):
        with pytest.raises(InvalidError, match="No point of 'm' is left"):
            plotted({"a": [1.0]}, only="epoch 9")

    def test_smoothing_is_of_each_run_and_the_raw_mean_stays(self, plotted):
        curves = {"a": [1.0, 3.0, NAN], "b": [3.0, 5.0, 1.0]}
        table = plotted(curves, group_by="experiment", smooth="rolling:2").table

        np.testing.assert_array_equal(table["value"], [2, 3, NAN])
        np.testing.assert_array_equal(table["raw"], [2, 4, NAN])

    def test_the_best_so_far_is_of_each_run(self, plotted):
        curves = {"a": [4.0, 9.0], "b": [2.0, 1.0]}
        drawn = plotted(curves, goals={"m": "min"}, group_by="experiment", best_so_far=True)

        np.testing.assert_array_equal(drawn.table["value"], [3, 2.5])

    def test_what_is_no_history_is_not_smoothed(self, grid):
        with pytest.raises(InvalidError, match="Only what is drawn over epoch"):
            grid[1](x="lr", smooth="ema:0.5")

    def test_a_place_in_a_history_may_be_a_line(self, grid):
        curves, make = grid
        table = make(x="lr", lines="epoch", average=("seed", "opt"), only="epoch 0 3").table

        assert table["epoch"].tolist() == [0, 0, 0, 3, 3, 3]
        four = [curves["loss", 0.2, opt, seed][3] for opt in ("sgd", "adam") for seed in (0, 1)]
        np.testing.assert_allclose(table["value"][4], np.mean(four))

    @pytest.mark.parametrize(
        ("at", "expected"), [("last", [1, 4]), ("best", [1, 2]), (1, [5, 2]), ("2", [1, 4])]
    )
    def test_off_a_history_a_run_has_one_value(self, plotted, at, expected):
        curves = {"a": [3.0, 5.0, 1.0], "b": [7.0, 2.0, 4.0]}
        table = plotted(curves, goals={"m": "min"}, kind="bar", at=at).table

        assert table["value"].tolist() == expected

    def test_a_run_without_a_value_there_has_no_row(self, plotted):
        table = plotted({"a": [3.0, 5.0], "b": [7.0]}, kind="bar", at=1).table

        assert table["run"].tolist() == ["a"]

    def test_x_may_be_another_metric(self, plotted):
        curves = {("a", "m"): [1.0, 2.0], ("a", "k"): [9.0, 8.0, 7.0]}
        table = plotted(curves, x="k").table

        assert table[["k", "value"]].to_numpy().tolist() == [[9, 1], [8, 2]]


class TestWide:
    def test_a_row_for_each_point_metrics_side_by_side(self, grid):
        curves, make = grid
        table = make(["loss", "acc"], kind="scatter").table

        assert list(table) == ["lr", "opt", "loss", "acc", "runs"]
        assert len(table) == 6
        for row in table.itertuples():
            for metric in ("loss", "acc"):
                seeds = [curves[metric, row.lr, row.opt, seed][-1] for seed in (0, 1)]
                np.testing.assert_allclose(getattr(row, metric), np.mean(seeds))

    def test_runs_without_one_of_the_metrics_are_left_out(self, plotted):
        curves = {("a", "m"): [1.0], ("b", "m"): [2.0], ("b", "k"): [3.0]}
        params = {"lr": [1, 2]}
        table = plotted(curves, ["m", "k"], params=params, kind="scatter").table

        assert table[["m", "k"]].to_numpy().tolist() == [[2, 3]]

    def test_each_run_is_a_point_where_nothing_is_averaged(self, grid):
        table = grid[1](["loss", "acc"], kind="scatter", average=()).table

        assert len(table) == 12
        assert "run" in table

    def test_a_scatter_takes_two_metrics(self, grid):
        with pytest.raises(InvalidError, match="takes 2 metrics, not 1"):
            grid[1]("loss", kind="scatter")


class TestBoxes:
    def test_holds_quartiles_whiskers_and_outliers(self, plotted):
        values = [1.0, 2.0, 3.0, 4.0, 100.0, NAN, INF]
        curves = {str(number): [value] for number, value in enumerate(values)}
        (row,) = plotted(curves, kind="box").table.to_dict("records")

        finite = values[:5]
        assert [row[name] for name in ("q1", "median", "q3")] == [
            np.quantile(finite, q) for q in (0.25, 0.5, 0.75)
        ]
        assert (row["low"], row["high"], row["outliers"]) == (1, 4, (100,))
        assert (row["runs"], row["not_finite"]) == (5, 2)

    def test_agrees_with_matplotlib(self):
        from matplotlib.cbook import boxplot_stats

        for seed in range(5):
            values = np.random.default_rng(seed).standard_t(2, size=40)
            ours, (theirs,) = box(values), boxplot_stats(values)
            names = {"median": "med", "q1": "q1", "q3": "q3", "low": "whislo", "high": "whishi"}
            for name, other in names.items():
                assert ours[name] == pytest.approx(theirs[other])
            assert sorted(ours["outliers"]) == pytest.approx(sorted(theirs["fliers"]))

    def test_nothing_finite_is_no_box(self):
        assert math.isnan(box(np.array([NAN, INF]))["median"])

    def test_all_runs_of_a_value_are_in_its_box(self, grid):
        curves, make = grid
        table = make(kind="box", x="lr").table

        assert table["runs"].tolist() == [4, 4, 4]
        four = [curves["loss", 0.2, opt, seed][-1] for opt in ("sgd", "adam") for seed in (0, 1)]
        assert table["median"][1] == pytest.approx(np.median(four))


class TestDoor:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": "heatmap", "x": "lr"},
            {"kind": "scatter", "x": "lr"},
            {"lines": "lr", "x": "lr"},
            {"lines": "step", "x": "epoch"},
            {"together": "twin"},
            {"kind": "bar", "together": "twin"},
        ],
    )
    def test_places_that_do_not_fit_are_refused(self, grid, wrong):
        with pytest.raises(InvalidError):
            grid[1](**wrong)

    def test_an_unknown_field_suggests_the_nearest(self, grid):
        with pytest.raises(NotFoundError, match=r"field named 'op'\. Did you mean 'opt'"):
            grid[1](lines="op")

    def test_nothing_logged_is_nothing_to_draw(self, plotted):
        with pytest.raises(InvalidError, match="nothing to draw"):
            plotted({("a", "m"): [1.0]}, metrics=[])

    def test_a_metric_without_epochs_is_refused_over_epochs(self, history, runs):
        table = history({("a", "m"): [1.0, 2]}).assign(epoch=np.nan)

        with pytest.raises(InvalidError, match="Draw it over step or time"):
            make_table(records_from(table, runs("a")), ["m"])

    def test_a_metric_without_rows_is_refused(self, grid):
        with pytest.raises((InvalidError, NotFoundError)):
            grid[1]("los")


def test_a_hundred_runs_with_the_pandas_mean(plotted):
    rng = np.random.default_rng(1)
    curves = {str(n): rng.normal(size=rng.integers(3, 9)).tolist() for n in range(100)}
    table = plotted(curves, group_by="experiment", align="any", band="sem").table
    frame = pd.DataFrame({name: pd.Series(values) for name, values in curves.items()})

    np.testing.assert_allclose(table["value"], frame.mean(axis=1))
    np.testing.assert_allclose(table["high"] - table["value"], frame.sem(axis=1))


def test_every_point_of_a_moment_is_a_row(runs):
    moments = pd.to_datetime([0, 1, 1, 1, 3], unit="ms", utc=True)
    history = pd.DataFrame(
        {"run": "a", "metric": "m", "step": range(5), "epoch": None, "time": moments,
         "value": [1.0, 2.0, NAN, 4.0, 5.0]}
    ).astype({"epoch": "Int64"})  # fmt: skip
    started = pd.Timestamp(400, unit="us", tz="UTC")
    records = records_from(history, runs("a", started=[started]))

    for x, unit in (("time", 1000), ("wall", 1)):
        table = make_table(records, ["m"], options_from({"x": x})).table
        assert (table[x] * unit).tolist() == [0, 1, 1, 1, 3]
        np.testing.assert_array_equal(table["value"], [1, 2, NAN, 4, 5])


def test_a_triangle_is_explained_where_there_is_one(plotted):
    said = "triangle   at the edge: an infinity, ▲ above all numbers, ▼ below"

    for kind, x in (("curve", ()), ("bar", ())):
        assert plotted({"a": [1.0, INF]}, kind=kind, x=x).rules[-1] == said
        assert said not in plotted({"a": [1.0, 2.0]}, kind=kind, x=x).rules


def test_of_two_metrics_the_last_values_of_a_moment_go_together(runs):
    moments = pd.to_datetime([0, 1, 1, 0, 1], unit="ms", utc=True)
    history = pd.DataFrame(
        {"run": "a", "metric": list("uuuvv"), "step": [0, 1, 2, 0, 2], "epoch": None,
         "time": moments, "value": [1.0, 2.0, 3.0, 4.0, 5.0]}
    ).astype({"epoch": "Int64"})  # fmt: skip
    records = records_from(history, runs("a"))
    options = options_from({"kind": "scatter", "animate": "time", "lines": "run"})

    table = make_table(records, ["u", "v"], options).table
    assert table[["time", "u", "v"]].to_numpy().tolist() == [[0, 1, 4], [0.001, 3, 5]]
