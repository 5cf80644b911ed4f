import math
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.plots import CurveOptions, draw_curves, save_figure
from tracker.plots.panels import MOST_LEGEND_ROWS
from tracker.plots.style import looks

NAN, INF = math.nan, math.inf


def drawn(axes):
    """What stands in a panel as curves: (x, y) of each."""
    return [line.get_xydata().T for line in axes.lines if line.get_linestyle() != "None"]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestWhatIsDrawn:
    def test_are_the_points_and_nothing_else(self, history, runs):
        values = {"a": [3.0, 2.0, 1.5], "b": [2.0, 1.0]}
        table = history({(run, "loss"): curve for run, curve in values.items()})

        (axes,) = draw_curves(table, runs("a", "b"), ["loss"]).axes

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
    def test_along_each_axis(self, history, runs, axis, x, name):
        table = history({("a", "loss"): [3.0, 2.0, 1.0]})

        (axes,) = draw_curves(table, runs("a"), ["loss"], options=CurveOptions(x=axis)).axes

        np.testing.assert_array_equal(drawn(axes)[0][0], x)
        assert axes.get_xlabel() == name
        assert axes.get_ylabel() == "loss"

    def test_time_counts_from_the_run_s_start_in_a_readable_unit(self, history, runs):
        table = history({("a", "loss"): [1.0] * 40})
        started = [table["time"].min() - pd.Timedelta(minutes=1)]

        figure = draw_curves(
            table, runs("a", started=started), ["loss"], options=CurveOptions(x="time")
        )

        (axes,) = figure.axes
        np.testing.assert_allclose(drawn(axes)[0][0], 1 + np.arange(40) / 2)
        assert axes.get_xlabel() == "time since the start (min)"

    def test_nan_is_a_gap(self, history, runs):
        (axes,) = draw_curves(history({("a", "m"): [1, NAN, 2, 3]}), runs("a"), ["m"]).axes

        np.testing.assert_array_equal(drawn(axes)[0][1], [1, NAN, 2, 3])

    def test_a_point_between_gaps_gets_a_dot(self, history, runs):
        (axes,) = draw_curves(history({("a", "m"): [1, NAN, 2, 3]}), runs("a"), ["m"]).axes

        assert axes.lines[0].get_markevery() == [0]
        assert axes.lines[0].get_marker() == "o"

    def test_infinities_are_no_numbers_but_triangles_at_the_edge(self, history, runs):
        (axes,) = draw_curves(history({("a", "m"): [1, INF, 2, -INF]}), runs("a"), ["m"]).axes
        curve, up, down = axes.lines

        np.testing.assert_array_equal(curve.get_ydata(), [1, NAN, 2, NAN])
        assert (up.get_marker(), up.get_xdata().tolist(), up.get_ydata().tolist()) == (
            "^",
            [1],
            [1],
        )
        assert (down.get_marker(), down.get_xdata().tolist()) == ("v", [3])
        assert axes.get_ylim()[1] < 3
        assert up.get_transform().transform([1, 1])[1] == axes.bbox.y1
        assert down.get_transform().transform([3, 0])[1] == axes.bbox.y0

    def test_each_metric_has_its_panel_and_each_run_one_colour(self, history, runs):
        table = history(
            {("a", "loss"): [1.0, 2], ("b", "loss"): [2.0, 3], ("b", "accuracy"): [0.1, 0.2]}
        )

        loss, accuracy = draw_curves(table, runs("a", "b"), ["loss", "accuracy"]).axes

        assert loss.get_ylabel() == "loss"
        assert accuracy.get_ylabel() == "accuracy"
        assert accuracy.lines[0].get_color() == loss.lines[1].get_color()
        assert loss.lines[0].get_color() != loss.lines[1].get_color()

    def test_runs_are_drawn_in_the_order_of_their_table(self, history, runs):
        table = history({("a", "m"): [1.0], ("b", "m"): [2.0], ("c", "m"): [3.0]})

        assert legend(draw_curves(table, runs("c", "a"), ["m"])) == ["c", "a"]

    def test_one_line_is_named_by_the_title(self, history, runs):
        figure = draw_curves(history({("only", "m"): [1.0, 2]}), runs("only"), ["m"])

        assert figure.get_suptitle() == "only"
        assert figure.legends == []


class TestBest:
    def test_a_star_marks_the_best_by_the_goal(self, history, runs):
        table = history({("a", "loss"): [3, 1, 2], ("a", "accuracy"): [0.1, 0.9, 0.5]})
        options = CurveOptions(kind="curve_best")

        figure = draw_curves(
            table,
            runs("a"),
            ["loss", "accuracy"],
            goals={"loss": "min", "accuracy": "max"},
            options=options,
        )

        stars = [axes.lines[-1] for axes in figure.axes]
        assert [star.get_marker() for star in stars] == ["*", "*"]
        assert [star.get_xydata().tolist() for star in stars] == [[[1, 1]], [[1, 0.9]]]

    def test_a_plain_curve_has_no_star(self, history, runs):
        figure = draw_curves(history({("a", "m"): [1, 2]}), runs("a"), ["m"], goals={"m": "min"})

        assert len(figure.axes[0].lines) == 1

    def test_an_unknown_goal_says_how_to_set_it(self, history, runs):
        table = history({("a", "odd"): [1, 2]})

        with pytest.raises(InvalidError, match="labkeeper goal odd min"):
            draw_curves(table, runs("a"), ["odd"], options=CurveOptions(kind="curve_best"))


class TestGroups:
    def test_each_is_the_mean_with_its_band(self, history, runs):
        table = history({("a", "m"): [1, 3], ("b", "m"): [3, 5], ("c", "m"): [9, 8]})
        grouped = CurveOptions(group_by="lr")

        figure = draw_curves(table, runs("a", "b", "c", lr=[0.5, 0.5, 0.1]), ["m"], options=grouped)

        (axes,) = figure.axes
        assert legend(figure) == ["lr=0.1 (n=1)", "lr=0.5 (n=2)"]
        np.testing.assert_array_equal([y for _, y in drawn(axes)], [[9, 8], [2, 4]])
        _single, pair = axes.collections
        edges = pair.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([edges.min(), edges.max()], [2 - 2**0.5, 4 + 2**0.5])

    def test_adding_a_group_changes_no_other(self, history, runs):
        curves = {("a", "m"): [1.0, 3, 5], ("b", "m"): [3.0, 5]}
        grouped = CurveOptions(group_by="lr")
        two = draw_curves(history(curves), runs("a", "b", lr=[1, 1]), ["m"], options=grouped)
        more = history(curves | {("c", "m"): [7.0]})
        three = draw_curves(more, runs("a", "b", "c", lr=[1, 1, 2]), ["m"], options=grouped)

        np.testing.assert_array_equal(drawn(two.axes[0])[0], drawn(three.axes[0])[0])

    def test_runs_without_the_parameter_are_a_group_of_their_own(self, history, runs):
        table = history({("a", "m"): [1], ("b", "m"): [2], ("c", "m"): [3]})
        keys = [None, "x", None]

        figure = draw_curves(
            table, runs("a", "b", "c", act=keys), ["m"], options=CurveOptions(group_by="act")
        )

        assert legend(figure) == ["act=none (n=2)", "act=x (n=1)"]

    def test_an_unknown_key_suggests_the_nearest(self, history, runs):
        table, options = history({("a", "m"): [1]}), CurveOptions(group_by="dept")

        with pytest.raises(InvalidError, match=r"'dept' to group by\. Did you mean 'depth'"):
            draw_curves(table, runs("a", depth=[1]), ["m"], options=options)

    def test_over_time_there_is_no_mean(self):
        with pytest.raises(InvalidError, match="no mean over time"):
            CurveOptions(x="time", group_by="lr")


class TestScales:
    def test_a_logarithmic_axis_says_what_it_leaves_out(self, history, runs):
        table = history({("a", "m"): [1, 0, 10]})

        (axes,) = draw_curves(
            table, runs("a"), ["m"], options=CurveOptions(log_x=True, log_y=True)
        ).axes

        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch (> 0)", "m (> 0)")

    @pytest.mark.parametrize("axis", ["x", "y"])
    def test_a_logarithmic_axis_that_would_be_empty_is_refused(self, history, runs, axis):
        table = history({("a", "m"): [-1]})

        with pytest.raises(InvalidError, match=f"positive along {axis}"):
            draw_curves(table, runs("a"), ["m"], options=CurveOptions(**{f"log_{axis}": True}))

    def test_epochs_have_whole_numbers(self, history, runs):
        (axes,) = draw_curves(history({("a", "m"): [1, 2]}), runs("a"), ["m"]).axes

        assert {float(place).is_integer() for place in axes.get_xticks()} == {True}


class TestLayout:
    @pytest.mark.parametrize("count", [2, MOST_LEGEND_ROWS + 5])
    def test_long_labels_overlap_no_panel(self, history, runs, count):
        names = [f"{number}-{'wide' * 20}" for number in range(count)]
        table = history({(name, "loss" * 20): [1.0, 2] for name in names})

        figure = draw_curves(table, runs(*names), ["loss" * 20])
        figure.draw_without_rendering()

        whole = figure.bbox
        panel = figure.axes[0].get_tightbbox()
        names_box = figure.legends[0].get_window_extent()
        assert panel.x1 <= names_box.x0
        assert whole.x0 <= panel.x0
        assert whole.y0 <= min(panel.y0, names_box.y0)
        assert names_box.x1 <= whole.x1
        assert max(panel.y1, names_box.y1) <= whole.y1 + 1
        assert panel.width > 400

    def test_names_are_no_formulas_and_none_is_hidden(self, history, runs, tmp_path):
        names = ["a$b$", r"$\frac{$", "_hidden"]
        table = history({(name, r"$\bad$"): [1.0, 2] for name in names})

        figure = draw_curves(table, runs(*names), [r"$\bad$"])
        save_figure(figure, tmp_path / "odd.png")

        assert legend(figure) == names

    def test_lines_differ_in_colour_or_dash(self):
        assert len({(look.colour, str(look.dash)) for look in looks(28)}) == 28
        assert len(looks(100)) == 100


class TestDoor:
    @pytest.mark.parametrize("wrong", [{"x": "epochs"}, {"kind": "curv"}, {"band": "sd"}])
    def test_unknown_choices_name_the_known_ones(self, wrong):
        with pytest.raises(InvalidError, match="Known: "):
            CurveOptions(**wrong)

    def test_nothing_logged_is_nothing_to_draw(self, history, runs):
        with pytest.raises(InvalidError, match="nothing to draw"):
            draw_curves(history({}), runs("a"), ["m"])

    def test_a_metric_without_epochs_is_refused_over_epochs(self, history, runs):
        table = history({("a", "m"): [1.0, 2]}).assign(epoch=np.nan)

        with pytest.raises(InvalidError, match="Draw it over step or time"):
            draw_curves(table, runs("a"), ["m"])

    def test_a_misspelt_metric_suggests_the_nearest(self, history, runs):
        with pytest.raises(NotFoundError, match="Did you mean 'loss'"):
            draw_curves(history({("a", "loss"): [1.0]}), runs("a"), ["los"])


def test_the_caller_s_settings_are_neither_used_nor_changed(history, runs, tmp_path):
    table = history({("a", "m"): [1.0, 2]})
    save_figure(draw_curves(table, runs("a"), ["m"]), tmp_path / "plain.svg")
    with mpl.rc_context({"axes.facecolor": "red", "svg.hashsalt": None}), warnings.catch_warnings():
        before = dict(mpl.rcParams)
        save_figure(draw_curves(table, runs("a"), ["m"]), tmp_path / "styled.svg")
        after = dict(mpl.rcParams)

    assert before == after
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "styled.svg").read_bytes()
