"""Naming the lines of a picture: a title for one, a legend for several."""

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tracker.plots.drawing.looks import DASHES, Line, Look
from tracker.plots.fields.labels import line_labels
from tracker.plots.kind import Kind
from tracker.plots.tables.drawn import Drawn, blocks

MOST_LEGEND_ROWS = 36
# In a picture of a given size it stands below, in so many columns.
_COLUMNS_BELOW = 3
_LETTERS_BELOW = 60


def name_lines(
    figure: Figure, kind: Kind, drawn: Drawn, looks: Mapping[Line, Look], *, grow: bool
) -> None:
    """Says which line is which, and only what differs between them.

    With `grow`, the figure becomes so much wider that the legend takes nothing from the panels.
    """
    placing, title = drawn.placing, drawn.options.looks.title
    labels = _labels(drawn, list(looks))
    handles = [kind.handle(look) for look in looks.values()]
    single = labels[0] if len(labels) == 1 else None
    if len(labels) == 1:
        labels, handles = [], []
    if placing.twin:
        labels += list(placing.metrics)
        handles += [Line2D([], [], color="#555555", linestyle=dash) for dash in DASHES[:2]]
    if title or single:
        figure.suptitle(title or single or "", parse_math=False)
    if labels:
        _legend(figure, handles, labels, below=drawn.options.looks.size is not None, grow=grow)


def _labels(drawn: Drawn, lines: Sequence[Line]) -> list[str]:
    """What each line is called; of one line, everything that is known of it."""
    placing = drawn.placing
    named = [dict(zip(placing.lines, line, strict=True)) for line in lines]
    if len(named) == 1:
        # Against nothing, every field of it differs.
        return line_labels([*named, {}])[:1] if placing.lines else [""]
    counts = _counts(drawn, lines) if drawn.roles.averaged and "runs" in drawn.table else []
    return line_labels(named, counts)


def _counts(drawn: Drawn, lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Of how many runs each line is, at least and at most."""
    names = list(drawn.placing.lines)
    found = dict.fromkeys(lines, (0, 0))
    if not names:
        return []
    for line, rows in blocks(drawn.table, names):
        runs = drawn.table["runs"].iloc[rows]
        least, most = int(runs.min()), int(runs.max())
        before = found[line]
        found[line] = (min(before[0] or least, least), max(before[1], most))
    return [found[line] for line in lines]


def _legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, below: bool, grow: bool
) -> None:
    if below:
        longest = max(map(len, labels))
        columns = max(1, min(_COLUMNS_BELOW, len(labels), _LETTERS_BELOW // (longest + 6)))
        place: Literal["outside lower center", "outside right upper"] = "outside lower center"
    else:
        place, columns = "outside right upper", -(-len(labels) // MOST_LEGEND_ROWS)
    legend = figure.legend(handles, labels, loc=place, ncols=columns)
    for text in legend.get_texts():
        text.set_parse_math(False)
    if not grow:
        return
    needed = legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + needed.width, max(height, needed.height + 0.3))
