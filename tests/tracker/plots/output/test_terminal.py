import sys

import pytest

from tracker.errors import InvalidError
from tracker.plots import terminal_text

plotext = pytest.mark.skipif(
    not pytest.importorskip("importlib.util").find_spec("plotext"), reason="an optional dependency"
)


def columns_of(text, mark):
    """Where a mark stands inside the frame: (column, row), rows counted from below."""
    inside = [
        line.split("┤")[-1].split("│")[0 if "┤" in line else 1]
        for line in text.splitlines()
        if "┤" in line or "│" in line
    ]
    return {
        (column, len(inside) - row)
        for row, line in enumerate(inside)
        for column, found in enumerate(line)
        if found == mark
    }


@plotext
class TestText:
    def test_lines_are_told_apart_by_letters_where_there_is_no_colour(self, plotted):
        text = terminal_text(
            plotted({"up": [1.0, 2.0], "down": [2.0, 1.0]}), colour=False, width=60
        )

        assert "\x1b" not in text
        assert "aa up" in text
        assert "bb down" in text
        rising = {place for place in columns_of(text, "a") if place[0] > 12}
        (_, left), (_, right) = min(rising), max(rising)
        assert left < right

    def test_colour_is_there_where_it_is_wanted(self, plotted):
        assert "\x1b[38" in terminal_text(plotted({"a": [1.0, 2.0], "b": [2.0, 1.0]}))

    def test_the_ends_of_the_axes_are_the_numbers_that_are_drawn(self, plotted):
        text = terminal_text(plotted({"a": [0.25, 8.5]}), colour=False)

        assert "8.5" in text
        assert "0.2" in text

    def test_nan_and_infinity_are_left_out(self, plotted):
        text = terminal_text(plotted({"a": [1.0, float("nan"), float("inf"), 2.0]}), colour=False)

        assert "2.00" in text

    def test_each_panel_is_a_plot_of_its_own(self, plotted):
        curves = {("a", "u"): [1.0, 2.0], ("a", "v"): [3.0, 4.0]}
        lines = [
            line.strip()
            for line in terminal_text(plotted(curves, ["u", "v"]), colour=False).splitlines()
        ]

        assert [line for line in lines if line in ("u", "v")] == ["u", "v"]

    @pytest.mark.parametrize(
        "options", [{"kind": "bar", "x": "lr"}, {"x": "opt"}, {"x": "lr", "log_x": True}]
    )
    def test_other_kinds_are_drawn_too(self, grid, options):
        assert "loss" in terminal_text(grid[1](**options), colour=False)

    def test_a_scatter_is_drawn(self, grid):
        assert "acc" in terminal_text(grid[1](["loss", "acc"], kind="scatter"), colour=False)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"kind": "heatmap", "x": ("lr", "opt")}, "heatmap cannot be drawn as text"),
            ({"animate": "lr"}, "moves cannot"),
            ({"yscale": "symlog"}, "no symlog axis"),
            ({"yscale": "log"}, "not positive"),
        ],
    )
    def test_what_text_cannot_show_is_refused(self, grid, options, words):
        with pytest.raises(InvalidError, match=words):
            terminal_text(grid[1](**options))


def test_without_plotext_it_says_what_to_install(plotted, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", None)

    with pytest.raises(InvalidError, match=r"pip install 'labkeeper\[terminal\]'"):
        terminal_text(plotted({"a": [1.0]}))
