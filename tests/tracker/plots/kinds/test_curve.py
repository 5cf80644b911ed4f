"""Curves as they stand in the picture, against the points that were recorded."""

import math
import warnings
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from tracker.errors import InvalidError
from tracker.plots import draw, make_table, options_from, records_from, save_figure
from tracker.plots.composing.legend import MOST_LEGEND_ROWS

NAN, INF = math.nan, math.inf
START = pd.Timestamp("2026-01-01T10:00:00Z")


def drawn(axes):
    """What stands in a panel as curves: (x, y) of each."""
    lines = [line for line in axes.lines if line.get_linestyle() != "None"]
    return [line.get_xydata().T for line in lines]


def marks(axes):
    """The markers that stand alone: (marker, x, y)."""
    return [
        (line.get_marker(), line.get_xdata().tolist(), line.get_ydata().tolist())
        for line in axes.lines
        if line.get_linestyle() == "None" and len(line.get_xdata())
    ]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestWhatIsDrawn:
    def test_are_the_points_and_nothing_else(self, picture):
        values = {"a": [3.0, 2.0, 1.5], "b": [2.0, 1.0]}
        _, axes = picture(values)

        for (x, y), curve in zip(drawn(axes), values.values(), strict=True):
            np.testing.assert_array_equal(x, np.arange(len(curve)))
            np.testing.assert_array_equal(y, curve)

    @pytest.mark.parametrize(
        ("axis", "x", "name"),
        [
            ("epoch", [0, 1, 2], "epoch"),
            ("step", [10, 20, 30], "step"),
            ("time", [0, 30, 60], "time since the start (s)"),
        ],
    )
    def test_along_each_axis(self, picture, axis, x, name):
        _, axes = picture({"a": [3.0, 2.0, 1.0]}, x=axis)

        np.testing.assert_array_equal(drawn(axes)[0][0], x)
        assert axes.get_xlabel() == name
        assert axes.get_ylabel() == "m"

    def test_along_the_clock_there_are_dates(self, picture):
        _, axes = picture({"a": [3.0, 2.0]}, x="wall")
        first = pd.Timestamp("2026-01-01T10:00:00")

        assert drawn(axes)[0][0][0] == mpl.dates.date2num(first)
        assert axes.get_xlabel() == "time (UTC)"

    def test_time_counts_from_the_run_s_start_in_a_readable_unit(self, picture):
        started = [pd.Timestamp("2026-01-01T09:59:00Z")]
        _, axes = picture({"a": [1.0] * 40}, params={"started": started}, x="time")

        np.testing.assert_allclose(drawn(axes)[0][0], 1 + np.arange(40) / 2)
        assert axes.get_xlabel() == "time since the start (min)"

    def test_less_than_a_second_is_told_in_milliseconds_that_do_not_overlap(self, history, runs):
        for longest, name in (
            (999, "time since the start (ms)"),
            (1000, "time since the start (s)"),
        ):
            points = history({("a", "m"): [1.0] * 4})
            points["time"] = START + pd.to_timedelta(np.linspace(0, longest, 4).round(), unit="ms")
            records = records_from(points, runs("a", started=[START]))
            figure = draw(make_table(records, ["m"], options_from({"x": "time"}))).figure
            figure.draw_without_rendering()
            (axes,) = figure.axes
            low, high = axes.get_xlim()
            ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            boxes = [text.get_window_extent() for at, text in ticks if low <= at <= high]

            assert axes.get_xlabel() == name
            assert len(boxes) >= 4
            assert all(one.x1 + 5 < two.x0 for one, two in pairwise(boxes))

    def test_nan_is_a_gap_and_a_point_between_gaps_gets_a_dot(self, picture):
        _, axes = picture({"a": [1, NAN, 2, 3]})

        np.testing.assert_array_equal(drawn(axes)[0][1], [1, NAN, 2, 3])
        assert axes.lines[0].get_markevery() == [0]
        assert axes.lines[0].get_marker() == "o"

    def test_infinities_are_no_numbers_but_triangles_at_the_edge(self, picture):
        _, axes = picture({"a": [1, INF, 2, -INF]})
        up, down = (line for line in axes.lines if line.get_marker() in "^v")

        np.testing.assert_array_equal(drawn(axes)[0][1], [1, NAN, 2, NAN])
        assert marks(axes) == [("^", [1], [1]), ("v", [3], [0])]
        assert axes.get_ylim()[1] < 3
        assert up.get_transform().transform([1, 1])[1] == axes.bbox.y1
        assert down.get_transform().transform([3, 0])[1] == axes.bbox.y0

    def test_each_metric_has_its_panel_and_each_run_one_colour(self, picture):
        curves = {("a", "loss"): [1.0, 2], ("b", "loss"): [2.0, 3], ("b", "acc"): [0.1, 0.2]}
        _, panels = picture(curves, ["loss", "acc"])
        loss, accuracy = panels[0]

        assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "acc")
        colours = [
            [line.get_color() for line in axes.lines if len(line.get_xdata())]
            for axes in (loss, accuracy)
        ]
        assert colours[1] == [colours[0][1]]
        assert colours[0][0] != colours[0][1]

    def test_metrics_may_share_a_panel(self, picture):
        curves = {("a", "u"): [1.0, 2], ("a", "v"): [3.0, 4]}
        figure, axes = picture(curves, ["u", "v"], together="lines")

        assert legend(figure) == ["u", "v"]
        assert axes.get_ylabel() == "u, v"
        assert len(drawn(axes)) == 2

    def test_two_metrics_may_have_an_axis_on_either_side(self, picture):
        curves = {("a", "u"): [1.0, 2], ("a", "v"): [300.0, 400]}
        figure, axes = picture(curves, ["u", "v"], together="twin")
        left, right = figure.axes

        assert left is axes
        assert (left.get_ylabel(), right.get_ylabel()) == ("u", "v")
        np.testing.assert_array_equal(drawn(right)[0][1], [300, 400])
        assert legend(figure) == ["u", "v"]

    def test_one_line_is_named_by_the_title(self, picture):
        figure, _ = picture({"only": [1.0, 2]})

        assert figure.get_suptitle() == "only"
        assert figure.legends == []

    def test_lines_differ_by_three_fields(self, picture):
        curves = {name: [1.0, 2.0] for name in "abcd"}
        params = {"k": [1, 1, 1, 2], "act": ["x", "x", "y", "y"], "opt": ["p", "q", "q", "q"]}
        figure, axes = picture(curves, params=params, lines=("k", "act", "opt"))
        looks = [(one.get_color(), one.get_linestyle(), one.get_marker()) for one in axes.lines]
        looks = [look for look in looks if look[2] != "*"]

        assert legend(figure) == [
            "k=1 act=x opt=p",
            "k=1 act=x opt=q",
            "k=1 act=y opt=q",
            "k=2 act=y opt=q",
        ]
        assert looks[0][:2] == looks[1][:2]
        assert looks[0][2] != looks[1][2] == looks[2][2]
        assert looks[1][1] != looks[2][1] == looks[3][1]
        assert looks[2][0] != looks[3][0]

    def test_the_raw_curve_stays_faint_behind_a_smooth_one(self, picture):
        _, axes = picture({"a": [1.0, 3.0]}, smooth="rolling:2")
        raw, smooth = drawn(axes)

        np.testing.assert_array_equal((raw[1], smooth[1]), ([1, 3], [1, 2]))
        assert axes.lines[0].get_alpha() < 0.5

    def test_long_lines_are_thinned_and_keep_every_extreme(self, history, runs):
        rng = np.random.default_rng(1)
        values = rng.normal(size=50_000)
        values[30_000] = 40
        table = history({("a", "m"): [1.0]}).iloc[[0] * values.size]
        table = table.assign(value=values, epoch=range(values.size), step=range(values.size))
        made = make_table(records_from(table, runs("a")), ["m"])
        ((_, y),) = drawn(draw(made).axes)

        assert y.size < 6000
        assert (y.max(), y.min()) == (40, values.min())
        np.testing.assert_array_equal(made.table["value"], values)


class TestBest:
    def test_a_star_marks_the_best_by_the_goal(self, picture):
        curves = {("a", "loss"): [3, 1, 2], ("a", "acc"): [0.1, 0.9, 0.5]}
        goals = {"loss": "min", "acc": "max"}
        _, panels = picture(curves, ["loss", "acc"], goals=goals, kind="curve_best")

        assert [marks(axes) for axes in panels[0]] == [[("*", [1], [1])], [("*", [1], [0.9])]]

    def test_a_plain_curve_has_no_star(self, picture):
        _, axes = picture({"a": [1, 2]}, goals={"m": "min"})

        assert marks(axes) == []

    def test_an_unknown_goal_says_how_to_set_it(self, picture):
        with pytest.raises(InvalidError, match="labkeeper goal m min"):
            picture({"a": [1, 2]}, kind="curve_best")


class TestBands:
    def test_surround_the_mean(self, picture):
        curves = {"a": [1, 3], "b": [3, 5], "c": [9, 8]}
        figure, axes = picture(curves, params={"lr": [0.5, 0.5, 0.1]}, group_by="lr")

        assert legend(figure) == ["lr=0.1 (n=1)", "lr=0.5 (n=2)"]
        np.testing.assert_array_equal([y for _, y in drawn(axes)], [[9, 8], [2, 4]])
        _single, pair = axes.collections
        edges = pair.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([edges.min(), edges.max()], [2 - 2**0.5, 4 + 2**0.5])
        assert axes.get_ylabel() == "m\nmean ± std"

    def test_adding_a_group_changes_no_other(self, picture):
        curves = {"a": [1.0, 3, 5], "b": [3.0, 5]}
        _, two = picture(curves, params={"lr": [1, 1]}, group_by="lr")
        _, three = picture(curves | {"c": [7.0]}, params={"lr": [1, 1, 2]}, group_by="lr")

        np.testing.assert_array_equal(drawn(two)[0], drawn(three)[0])


class TestScales:
    def test_a_logarithmic_axis_says_what_it_leaves_out(self, picture):
        _, axes = picture({"a": [1, 0, 10]}, log_x=True, log_y=True)

        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch (> 0)", "m (> 0)")

    def test_a_logarithmic_axis_over_few_powers_has_numbers_that_do_not_touch(self, picture):
        figure, axes = picture({"a": [0.1, 0.35, 2.5]}, log_y=True)
        figure.draw_without_rendering()
        labels = [label for label in axes.get_yticklabels(which="both") if label.get_text()]
        inside = [label for label in labels if 0.1 <= label.get_position()[1] <= 2.5]

        assert [label.get_text() for label in inside] == ["0.1", "0.2", "0.5", "1", "2"]

    @pytest.mark.parametrize("axis", ["x", "y"])
    def test_a_logarithmic_axis_that_would_be_empty_is_refused(self, picture, axis):
        with pytest.raises(InvalidError, match=f"positive along {axis}"):
            picture({"a": [-1]}, **{f"log_{axis}": True})

    def test_symlog_is_linear_below_the_smallest_amount(self, picture):
        _, axes = picture({"a": [-100, 0, 0.5]}, yscale="symlog")

        assert axes.get_yscale() == "symlog"
        assert axes.yaxis.get_transform().linthresh == 0.5

    def test_equal_distances_between_the_values_there_are(self, picture):
        curves, rates = {"a": [1.0], "b": [10.0], "c": [1000.0]}, [0.001, 0.5, 7]
        params = {"lr": rates}
        _, axes = picture(curves, params=params, x="lr", xscale="equal", yscale="equal")
        places = axes.transData.transform(np.transpose(drawn(axes)[0]))

        np.testing.assert_array_equal(drawn(axes)[0], [rates, [1, 10, 1000]])
        np.testing.assert_allclose(np.diff(places, 2, axis=0), 0, atol=1e-6)
        assert axes.get_xticks().tolist() == rates
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0.001", "0.5", "7"]

    def test_texts_stand_at_equal_distances(self, picture):
        params = {"opt": ["sgd", None, "adam"]}
        _, axes = picture({"a": [1.0], "b": [2.0], "c": [3.0]}, params=params, x="opt")

        np.testing.assert_array_equal(drawn(axes)[0], [[0, 1, 2], [3, 1, 2]])
        assert [text.get_text() for text in axes.get_xticklabels()] == ["adam", "sgd", "none"]

    def test_epochs_have_whole_numbers(self, picture):
        _, axes = picture({"a": [1, 2]})

        assert {float(place).is_integer() for place in axes.get_xticks()} == {True}


class TestLayout:
    @pytest.mark.parametrize("count", [2, MOST_LEGEND_ROWS + 5])
    def test_long_labels_overlap_no_panel(self, picture, count):
        names = [f"{number}-{'wide' * 20}" for number in range(count)]
        curves = {(name, "loss" * 20): [1.0, 2] for name in names}

        figure, axes = picture(curves, ["loss" * 20])
        figure.draw_without_rendering()

        whole = figure.bbox
        panel = axes.get_tightbbox()
        names_box = figure.legends[0].get_window_extent()
        assert panel.x1 <= names_box.x0
        assert whole.x0 <= panel.x0
        assert whole.y0 <= min(panel.y0, names_box.y0)
        assert names_box.x1 <= whole.x1
        assert max(panel.y1, names_box.y1) <= whole.y1 + 1
        assert panel.width > 400

    def test_names_are_no_formulas_and_none_is_hidden(self, picture, tmp_path):
        names = ["a$b$", r"$\frac{$", "_hidden"]
        figure, _ = picture({(name, r"$\bad$"): [1.0, 2] for name in names}, [r"$\bad$"])
        save_figure(figure, tmp_path / "odd.png")

        assert legend(figure) == names

    def test_small_multiples_share_their_axes(self, picture):
        curves = {name: [1.0, 2.0 + n] for n, name in enumerate("abc")}
        params = {"lr": [1, 1, 2], "opt": ["x", "y", "y"]}
        figure, panels = picture(curves, params=params, rows="opt", columns="lr")

        assert panels.shape == (2, 2)
        assert panels[0, 0].get_title() == "opt=x, lr=1"
        assert len({axes.get_ylim() for axes in panels.flat}) == 1
        assert [axes.get_xlabel() for axes in panels.flat] == ["", "", "epoch", "epoch"]
        assert [len(drawn(axes)) for axes in panels.flat] == [1, 0, 1, 1]
        assert len(figure.legends[0].get_texts()) == 3

    def test_metrics_may_be_rows(self, picture):
        curves = {(run, m): [1.0, 2.0] for run in "ab" for m in ("u", "v")}
        _, panels = picture(curves, ["u", "v"], params={"lr": [1, 2]}, columns="lr")

        assert [axes.get_ylabel() for axes in panels[:, 0]] == ["u", "v"]

    def test_a_size_is_the_size_of_the_picture(self, picture):
        figure, _ = picture({"a": [1.0, 2], "b": [2.0, 3]}, size="8x5cm", font_size=6)
        figure.draw_without_rendering()

        np.testing.assert_allclose(figure.get_size_inches() * 2.54, [8, 5])
        assert figure.legends[0].get_window_extent().y1 <= figure.axes[0].get_tightbbox().y0 + 1
        assert figure.axes[0].xaxis.label.get_fontsize() == 6


class TestStyle:
    def test_a_style_of_matplotlib_or_a_file_changes_the_look(self, picture, tmp_path):
        path = tmp_path / "mine.mplstyle"
        path.write_text("axes.prop_cycle: cycler(color=['ff0000'])\nlines.linewidth: 7")
        _, axes = picture({"a": [1.0, 2]}, style=("ggplot", str(path)))

        assert axes.lines[0].get_color() == "#ff0000"
        assert axes.lines[0].get_linewidth() == 7
        assert axes.get_facecolor() == mpl.colors.to_rgba("#E5E5E5")

    def test_an_unknown_style_suggests_the_nearest(self, picture):
        with pytest.raises(InvalidError, match=r"style 'gplot'.*Did you mean 'ggplot'"):
            picture({"a": [1.0]}, style="gplot")

    def test_the_caller_s_settings_are_neither_used_nor_changed(self, picture, tmp_path):
        save_figure(picture({"a": [1.0, 2]})[0], tmp_path / "plain.svg")
        styled = {"axes.facecolor": "red", "svg.hashsalt": None}
        with mpl.rc_context(styled), warnings.catch_warnings():
            before = dict(mpl.rcParams)
            save_figure(picture({"a": [1.0, 2]})[0], tmp_path / "styled.svg")
            after = dict(mpl.rcParams)

        assert before == after
        assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "styled.svg").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "curv"},
        {"band": "sd"},
        {"xscale": "logg"},
        {"together": "one"},
        {"best": "low"},
        {"lines": ("a", "b", "c", "d")},
        {"group_by": "a", "average": "seed"},
        {"smooth": "ema:2"},
        {"smooth": "ema:0.5", "best_so_far": True},
        {"dpi": 0},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused_at_the_door(wrong):
    with pytest.raises(InvalidError):
        options_from(wrong)
