import math

import numpy as np
import pytest

from tracker.errors import InvalidError, NotFoundError

NAN = math.nan


def cell(table, value="value", **where):
    for name, wanted in where.items():
        table = table[table[name] == wanted]
    return table[value].tolist()


class TestRules:
    def test_say_which_field_is_what(self, grid):
        _, make = grid

        assert make(lines="lr", only=()).rules == (
            "key        epoch (x), lr (lines), metric loss",
            "specified  experiment=digits",
            "averaged   seed: the mean where all runs have a point, band std",
            "optimized  opt: the lowest loss at the last epoch, for each line",
        )

    def test_name_the_reference_of_a_choice(self, grid):
        _, make = grid
        (*_, said) = make(
            lines="lr", best_ref_x="best", best_ref_metric="acc", best_ref_lines="0.1"
        ).rules

        assert (
            said == "optimized  opt: the highest acc at the best epoch, for all lines, at line 0.1"
        )

    def test_choose_anew_at_every_x_that_is_no_history(self, grid):
        _, make = grid

        assert make(x="lr").rules[-1] == (
            "optimized  opt: the lowest loss (last value of each run), at each x"
        )

    def test_leave_out_what_a_line_for_each_run_tells(self, grid):
        _, make = grid

        assert [line.split()[0] for line in make().rules] == ["key", "specified"]

    def test_name_runs_that_agree_in_everything(self, plotted):
        drawn = plotted({"a": [1.0], "b": [3.0]}, lines="lr", params={"lr": [1, 1]})

        assert drawn.rules[-1].startswith("averaged   run: the mean")
        assert drawn.table["value"].tolist() == [2]


class TestAveraged:
    def test_seed_alone_by_default(self, grid):
        curves, make = grid
        table = make(lines=("lr", "opt")).table

        for lr in (0.1, 0.2, 0.3):
            for opt in ("sgd", "adam"):
                seeds = [curves["loss", lr, opt, seed] for seed in (0, 1)]
                np.testing.assert_allclose(cell(table, lr=lr, opt=opt), np.mean(seeds, axis=0))
                half = np.std(seeds, axis=0, ddof=1)
                low = np.mean(seeds, axis=0) - half
                np.testing.assert_allclose(cell(table, "low", lr=lr, opt=opt), low)

    def test_any_field_may_be(self, grid):
        curves, make = grid
        table = make(lines=("lr", "seed"), average="opt", centre="median", band="range").table

        both = [curves["loss", 0.2, opt, 1] for opt in ("sgd", "adam")]
        np.testing.assert_allclose(cell(table, lr=0.2, seed=1), np.median(both, axis=0))
        np.testing.assert_allclose(cell(table, "high", lr=0.2, seed=1), np.max(both, axis=0))

    def test_group_by_averages_all_that_is_left(self, grid):
        curves, make = grid
        table = make(group_by="lr").table

        four = [curves["loss", 0.3, opt, seed] for opt in ("sgd", "adam") for seed in (0, 1)]
        np.testing.assert_allclose(cell(table, lr=0.3), np.mean(four, axis=0))
        assert set(table["runs"]) == {4}

    def test_none_chooses_the_best_run(self, grid):
        curves, make = grid
        table = make(lines="lr", average=()).table

        runs = [curves["loss", 0.1, opt, seed] for opt in ("sgd", "adam") for seed in (0, 1)]
        assert cell(table, lr=0.1) == min(runs, key=lambda values: values[-1])

    def test_an_unknown_field_suggests_the_nearest(self, grid):
        with pytest.raises(NotFoundError, match="Did you mean 'seed'"):
            grid[1](lines="lr", average="sed")

    def test_over_time_is_refused(self, grid):
        for x in ("time", "wall", "acc"):
            with pytest.raises(InvalidError, match="no moments in common"):
                grid[1](lines="lr", x=x)


class TestOptimized:
    def best(self, curves, metric, lr, score, better):
        mean = {
            opt: np.mean([curves[metric, lr, opt, seed] for seed in (0, 1)], axis=0)
            for opt in ("sgd", "adam")
        }
        return better(mean, key=lambda opt: score(mean[opt]))

    def shown(self, curves, lr, opt, metric="loss"):
        return np.mean([curves[metric, lr, opt, seed] for seed in (0, 1)], axis=0)

    @pytest.mark.parametrize(
        ("options", "metric", "score", "better"),
        [
            ({}, "loss", lambda mean: mean[-1], min),
            ({"best": "max"}, "loss", lambda mean: mean[-1], max),
            ({"best_ref_x": 1}, "loss", lambda mean: mean[1], min),
            ({"best_ref_x": "1"}, "loss", lambda mean: mean[1], min),
            ({"best_ref_x": ("1",)}, "loss", lambda mean: mean[1], min),
            ({"best_ref_metric": "acc"}, "acc", lambda mean: mean[-1], max),
            ({"best_ref_metric": "acc", "best_ref_x": 0}, "acc", lambda mean: mean[0], max),
        ],
    )
    def test_once_for_each_line(self, grid, options, metric, score, better):
        curves, make = grid
        table = make(lines="lr", **options).table

        for lr in (0.1, 0.2, 0.3):
            opt = self.best(curves, metric, lr, score, better)
            assert set(cell(table, "opt", lr=lr)) == {opt}
            np.testing.assert_allclose(cell(table, lr=lr), self.shown(curves, lr, opt))

    def test_by_each_run_s_best_value(self, grid):
        curves, make = grid
        table = make(lines="lr", best_ref_x="best").table

        for lr in (0.1, 0.2, 0.3):
            scores = {
                opt: np.mean([min(curves["loss", lr, opt, seed]) for seed in (0, 1)])
                for opt in ("sgd", "adam")
            }
            assert set(cell(table, "opt", lr=lr)) == {min(scores, key=scores.get)}

    def test_at_one_line_for_all(self, grid):
        curves, make = grid
        table = make(lines="lr", best_ref_lines="0.2").table

        opt = self.best(curves, "loss", 0.2, lambda mean: mean[-1], min)
        assert set(table["opt"]) == {opt}

    def test_a_line_that_never_tried_the_best_of_another_is_not_drawn(self, plotted):
        curves = {"a": [1.0], "b": [2.0], "c": [0.5]}
        params = {"k": [1, 1, 2], "opt": ["x", "y", "y"]}
        drawn = plotted(curves, goals={"m": "min"}, params=params, lines="k", best_ref_lines="1")

        assert drawn.table[["k", "opt", "value"]].to_numpy().tolist() == [[1, "x", 1]]

    def test_anew_at_every_x(self, grid):
        curves, make = grid
        table = make(x="lr").table

        assert table["lr"].tolist() == [0.1, 0.2, 0.3]
        for lr in (0.1, 0.2, 0.3):
            opt = self.best(curves, "loss", lr, lambda mean: mean[-1], min)
            assert cell(table, "opt", lr=lr) == [opt]
            np.testing.assert_allclose(cell(table, lr=lr), self.shown(curves, lr, opt)[-1])

    def test_at_one_x_for_the_whole_line(self, grid):
        curves, make = grid
        table = make(x="lr", best_ref_x="0.3").table

        opt = self.best(curves, "loss", 0.3, lambda mean: mean[-1], min)
        assert table["opt"].tolist() == [opt] * 3

    def test_nan_is_never_best(self, plotted):
        curves = {"a": [NAN], "b": [5.0], "c": [-math.inf]}
        drawn = plotted(curves, goals={"m": "min"}, params={"opt": ["x", "y", "z"]}, x="opt")
        lines = plotted(
            curves, goals={"m": "min"}, params={"opt": ["x", "y", "z"], "k": [1, 1, 1]}, lines="k"
        )

        assert len(drawn.table) == 3
        assert lines.table["value"].tolist() == [5]
        assert lines.table["opt"].tolist() == ["y"]

    def test_nothing_but_nan_is_a_gap(self, plotted):
        curves = {"a": [NAN], "b": [NAN], "c": [1.0], "d": [2.0]}
        params = {"lr": [1, 1, 2, 2], "opt": ["x", "y", "x", "y"]}
        table = plotted(curves, goals={"m": "min"}, params=params, x="lr").table

        np.testing.assert_array_equal(table["value"], [NAN, 1])
        assert table["opt"].isna().tolist() == [True, False]

    def test_needs_a_goal(self, plotted):
        with pytest.raises(InvalidError, match="labkeeper goal m min"):
            plotted({"a": [1.0], "b": [2.0]}, params={"opt": [1, 2], "k": [1, 1]}, lines="k")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"best_ref_lines": "0.5"},
            {"best_ref_lines": ("0.1", "sgd")},
            {"best_ref_x": "first"},
            {"best_ref_metric": "accuracy"},
        ],
    )
    def test_a_reference_that_is_not_there_is_refused(self, grid, wrong):
        with pytest.raises((InvalidError, NotFoundError)):
            grid[1](lines="lr", **wrong)


class TestNames:
    """Parameters may be called like the columns of a table, or like each other."""

    def test_a_parameter_called_like_a_column_of_the_table_keeps_apart(self, plotted):
        params = {"value": [7, 8], "epoch": [5, 6], "run": ["p", "q"], "k": [1, 1]}
        curves = {"a": [1.0], "b": [2.0]}
        table = plotted(curves, goals={"m": "min"}, params=params, lines="k").table

        assert table["value"].tolist() == [1]
        chosen = ["params.value", "params.epoch", "params.run"]
        assert table[chosen].to_numpy().tolist() == [[7, 5, "p"]]

    def test_such_a_parameter_is_asked_for_in_full(self, plotted):
        curves, params = {"a": [1.0], "b": [2.0]}, {"value": [7, 8]}
        table = plotted(curves, params=params, x="params.value").table

        assert table[["params.value", "value"]].to_numpy().tolist() == [[7, 1], [8, 2]]
        with pytest.raises(InvalidError, match=r"say params\.value"):
            plotted(curves, params=params, lines="value")

    def test_a_parameter_called_like_the_metric_keeps_apart(self, plotted):
        curves = {("a", "m"): [1.0], ("a", "k"): [2.0], ("b", "m"): [3.0], ("b", "k"): [4.0]}
        table = plotted(curves, ["m", "k"], params={"m": [7, 8]}, kind="scatter").table

        assert table[["params.m", "m", "k"]].to_numpy().tolist() == [[7, 1, 2], [8, 3, 4]]

    def test_the_end_of_a_key_is_enough_where_no_other_ends_so(self, plotted):
        params = {"opt.lr": [1, 2], "model.rate": [1, 2], "opt.rate": [3, 4]}
        drawn = plotted({"a": [1.0], "b": [2.0]}, params=params, kind="parallel")

        assert drawn.roles.points == ("lr", "model.rate", "opt.rate")
        assert plotted({"a": [1.0], "b": [2.0]}, params=params, x="lr").placing.x == ("lr",)
        with pytest.raises(NotFoundError):
            plotted({"a": [1.0]}, params={"a.rate": [1], "b.rate": [2]}, x="rate")
