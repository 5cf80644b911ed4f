"""What stands in the pictures of every kind, against plain NumPy."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tracker.errors import InvalidError
from tracker.plots import draw, save_figure
from tracker.plots.options import KINDS

NAN, INF = math.nan, math.inf


def last(curves, metric, lr, opt):
    return np.mean([curves[metric, lr, opt, seed][-1] for seed in (0, 1)])


class TestBar:
    def test_stands_at_its_place_as_high_as_its_mean(self, grid):
        curves, make = grid
        picture = draw(make(kind="bar", x="lr", lines="opt"))
        adam, sgd = picture.axes.containers[1::2] or picture.axes.containers

        for opt, bars in (("adam", adam), ("sgd", sgd)):
            heights = [bar.get_height() for bar in bars]
            np.testing.assert_allclose(
                heights, [last(curves, "loss", lr, opt) for lr in (0.1, 0.2, 0.3)]
            )
        centres = [bar.get_x() + bar.get_width() / 2 for bar in (*adam, *sgd)]
        np.testing.assert_allclose(centres, [-0.2, 0.8, 1.8, 0.2, 1.2, 2.2])
        labels = [text.get_text() for text in picture.axes.get_xticklabels()]
        assert labels == ["0.1", "0.2", "0.3"]

    def test_its_error_bar_is_its_band(self, grid):
        curves, make = grid
        picture = draw(make(kind="bar", x="lr", lines="opt", band="range"))
        (errors,) = picture.axes.containers[0].lines[2]

        for segment, lr in zip(errors.get_segments(), (0.1, 0.2, 0.3), strict=True):
            ends = sorted(curves["loss", lr, "adam", seed][-1] for seed in (0, 1))
            np.testing.assert_allclose(segment[:, 1], ends)

    def test_nan_has_no_bar_and_infinity_a_triangle(self, picture):
        _, axes = picture({"a": [1.0], "b": [NAN], "c": [INF]}, kind="bar")

        assert [bar.get_height() for bar in axes.patches] == pytest.approx(
            [1, NAN, NAN], nan_ok=True
        )
        assert [(line.get_marker(), line.get_xdata().tolist()) for line in axes.lines] == [
            ("^", [2])
        ]


class TestHeatmap:
    def test_each_field_has_its_mean(self, grid):
        curves, make = grid
        picture = draw(make(kind="heatmap", x=("lr", "opt")))
        (mesh,) = picture.axes.collections

        expected = [
            [last(curves, "loss", lr, opt) for lr in (0.1, 0.2, 0.3)] for opt in ("adam", "sgd")
        ]
        np.testing.assert_allclose(mesh.get_array(), expected)
        assert [text.get_text() for text in picture.axes.get_yticklabels()] == ["adam", "sgd"]
        written = [text.get_text() for text in picture.axes.texts]
        assert written == [f"{value:.3g}" for value in np.ravel(expected)]

    def test_what_was_not_recorded_is_empty_and_infinity_has_no_colour(self, picture):
        curves = {"a": [1.0], "b": [NAN], "c": [INF]}
        params = {"lr": [1, 1, 2], "opt": ["x", "y", "y"]}
        _, axes = picture(curves, kind="heatmap", x=("lr", "opt"), params=params)
        (mesh,) = axes.collections

        assert np.ma.getmaskarray(mesh.get_array()).tolist() == [[False, True], [True, True]]
        assert [text.get_text() for text in axes.texts] == ["1", "inf"]

    def test_all_panels_have_the_same_colours(self, grid):
        picture = draw(grid[1](kind="heatmap", x=("lr", "opt"), columns="seed"))
        one, two = (axes.collections[0] for axes in picture.panels[0])

        assert one.norm is two.norm
        assert len(picture.figure.axes) == 3

    def test_colours_may_be_logarithmic(self, picture):
        curves, params = {"a": [1.0], "b": [100.0]}, {"lr": [1, 2], "opt": ["x", "x"]}
        about = {"kind": "heatmap", "x": ("lr", "opt"), "params": params, "zscale": "log"}
        _, axes = picture(curves, **about)

        assert axes.collections[0].norm(10.0) == pytest.approx(0.5)
        with pytest.raises(InvalidError, match="logarithmic colours"):
            picture({"a": [-1.0], "b": [0.0]}, **about)


class TestScatter:
    def test_each_point_is_two_means(self, grid):
        curves, make = grid
        picture = draw(make(["loss", "acc"], kind="scatter", lines="opt"))
        points = np.concatenate([part.get_offsets() for part in picture.axes.collections])

        expected = [
            (last(curves, "loss", lr, opt), last(curves, "acc", lr, opt))
            for opt in ("adam", "sgd")
            for lr in (0.1, 0.2, 0.3)
        ]
        np.testing.assert_allclose(points, expected)
        assert (picture.axes.get_xlabel(), picture.axes.get_ylabel()) == ("loss", "acc")

    def test_a_third_metric_is_the_colour(self, picture):
        curves = {(run, m): [float(n)] for n, run in enumerate("ab") for m in ("u", "v", "w")}
        figure, axes = picture(curves, ["u", "v", "w"], kind="scatter_heat", params={"lr": [1, 2]})

        np.testing.assert_array_equal(axes.collections[0].get_array(), [0, 1])
        assert figure.axes[-1].get_ylabel() == "w"


class TestParallel:
    def test_each_line_goes_through_its_values(self, grid):
        curves, make = grid
        picture = draw(make(kind="parallel"))
        lines = [line for line in picture.axes.lines if len(line.get_xdata()) == 3]

        losses = [
            last(curves, "loss", lr, opt) for lr in (0.1, 0.2, 0.3) for opt in ("adam", "sgd")
        ]
        heights = (np.array(losses) - min(losses)) / (max(losses) - min(losses))
        expected = [
            (place / 2, up, height)
            for (place, up), height in zip(
                [(place, up) for place in range(3) for up in (0, 1)], heights, strict=True
            )
        ]
        np.testing.assert_allclose([line.get_ydata() for line in lines], expected)
        colours = [mpl.colormaps["viridis"](height) for height in heights]
        assert [to_hex(line.get_color()) for line in lines] == list(map(to_hex, colours))

    def test_a_run_is_an_axis_only_where_it_is_asked_for(self, picture):
        curves, params = {"a": [1.0], "b": [2.0]}, {"lr": [1, 2]}

        def names(**options):
            _, axes = picture(curves, kind="parallel", params=params, **options)
            return [label.get_text() for label in axes.get_xticklabels()]

        assert names(average=()) == ["lr", "m"]
        assert names(average=(), x="run") == ["run", "m"]

    def test_few_numbers_are_all_written_at_their_places(self, picture):
        rates = [0.001, 0.002, 0.003, 0.04, 0.1, 0.1]
        curves = {str(n): [float(n * n)] for n in range(6)}
        _, axes = picture(
            curves, kind="parallel", params={"lr": rates, "k": [*map(float, range(6))]}
        )
        said = {text.xy: text.get_text() for text in axes.texts}

        assert [text for (place, _), text in said.items() if place == 0] == [
            "0.001 … 0.003", "0.04", "0.1",
        ]  # fmt: skip
        assert said[1, 0.4] == "2"
        assert said[2, 0.02] == "0, 1"
        assert said[2, 0.64] == "16"

    def test_no_label_reaches_the_next_axis(self, picture):
        params = {f"p{n}": [f"{n}-a-rather-long-value", f"{n}-{'w' * 30}"] for n in range(7)}
        for size in (None, "text"):
            figure, axes = picture(
                {"a": [1.0], "b": [2.0]}, kind="parallel", params=params, size=size
            )
            figure.draw_without_rendering()
            for text in axes.texts:
                right = axes.transData.transform((text.xy[0] + 1, 0))[0]
                assert text.get_window_extent().x1 < right

    def test_runs_whose_metric_is_no_finite_number_are_left_out_and_named(self, plotted):
        curves = {"a": [1.0], "b": [INF], "c": [NAN], "d": [2.0]}
        drawn = plotted(curves, kind="parallel", params={"lr": [1, 2, 3, 4]}, average=())
        lines = [line for line in draw(drawn).axes.lines if len(line.get_ydata()) == 2]

        assert len(drawn.table) == 4
        assert drawn.rules[-1] == "left out   b, c: m is no finite number"
        ends = [
            line.get_ydata().tolist()
            for line in lines
            if line.get_transform() and line.get_xdata()[0] != line.get_xdata()[1]
        ]
        assert ends == [[0, 0], [1, 1]]

    def test_a_line_ends_where_a_value_is_missing(self, picture):
        curves, params = {"a": [1.0], "b": [INF], "c": [2.0]}, {"lr": [1, 2, None], "k": [1, 2, 3]}
        _, axes = picture(curves, kind="parallel", params=params)
        lines = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 3]

        np.testing.assert_allclose(lines, [[0.5, 0, 0], [NAN, 1, 1]])

    def test_needs_something_to_compare(self, picture):
        with pytest.raises(InvalidError, match="a parameter that differs"):
            picture({"a": [1.0]}, kind="parallel")


class TestBox:
    def test_is_drawn_from_its_row(self, picture):
        values = [1.0, 2.0, 3.0, 4.0, 100.0]
        _, axes = picture({str(n): [value] for n, value in enumerate(values)}, kind="box")

        (patch,) = axes.patches
        up = patch.get_path().vertices[:, 1]
        assert (up.min(), up.max()) == (2, 4)
        drawn = {tuple(line.get_ydata().tolist()) for line in axes.lines}
        assert {(3, 3), (2, 1), (4, 4), (100,)} <= drawn

    def test_stands_side_by_side_with_others_of_its_value(self, grid):
        picture = draw(grid[1](kind="box", x="lr", lines="opt"))
        middles = [patch.get_path().vertices[:4, 0].mean() for patch in picture.axes.patches]

        np.testing.assert_allclose(middles, [-0.2, 0.8, 1.8, 0.2, 1.2, 2.2], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_one_run(picture, kind, tmp_path):
    curves = {("a", metric): [1.0, 2.0] for metric in "uvw"}
    metrics = {"scatter": "uv", "scatter_heat": "uvw"}.get(kind, "u")
    x = {"heatmap": ("epoch", "lr")}.get(kind, ())
    params = {"lr": [0.1]}
    if kind == "parallel":
        x = ("lr",)

    figure, _ = picture(curves, list(metrics), params=params, kind=kind, x=x, best="min")
    figure.savefig(tmp_path / "one.png")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_no_kind_has_a_raster_in_it(picture, kind, form, has_raster, tmp_path):
    curves = {(run, m): [1.0, NAN, INF, 2.0 + n] for n, run in enumerate("abc") for m in "uvw"}
    params = {"lr": [1, 2, 3], "opt": ["x", "y", "y"]}
    metrics = {"scatter": "uv", "scatter_heat": "uvw"}.get(kind, "u")
    x = {"heatmap": ("lr", "opt"), "box": "lr"}.get(kind, ())
    figure, _ = picture(curves, list(metrics), params=params, kind=kind, x=x, best="min")
    save_figure(figure, tmp_path / f"a.{form}")

    assert not has_raster((tmp_path / f"a.{form}").read_bytes())


def test_a_raster_would_be_found(has_raster, tmp_path):
    figure = Figure()
    figure.add_subplot().imshow([[1, 2], [3, 4]])
    for form in ("svg", "pdf"):
        figure.savefig(tmp_path / f"a.{form}")

        assert has_raster((tmp_path / f"a.{form}").read_bytes())


def test_letters_in_a_pdf_are_whole_fonts(picture, tmp_path):
    save_figure(picture({"a": [1.0, 2.0]})[0], tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()

    assert b"/Subtype /Type0" in content or b"/FontFile2" in content
    assert b"/Type3" not in content
