"""Pictures that move: a frame for each value of a field, axes and colours the same in all."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter, PillowWriter

from tracker.errors import InvalidError
from tracker.plots.composing.figure import Picture, draw, redraw
from tracker.plots.drawing.style import check_dots, drawing
from tracker.plots.fields.values import Value, text_of
from tracker.plots.output.files import write_file
from tracker.plots.output.paths import check_picture_path
from tracker.plots.tables.drawn import Drawn, plain

MOST_FRAMES = 500


def save_animation(drawn: Drawn, path: Path) -> None:
    """Writes a GIF, or an MP4 where ffmpeg is installed, by the name's ending.

    The file appears whole or not at all. InvalidError for MP4 without ffmpeg.
    """
    check_picture_path(path, moving=True)
    frame_values(drawn)
    writer = _writer(path, 1 / drawn.options.looks.seconds_per_frame)
    with tempfile.TemporaryDirectory() as folder, drawing(drawn.options.looks):
        aside = Path(folder, f"picture{path.suffix.lower()}")
        picture = draw(drawn)
        check_dots(picture.figure)
        with writer.saving(picture.figure, str(aside), mpl.rcParams["savefig.dpi"]):
            for _ in frames(drawn, picture):
                writer.grab_frame()
        write_file(path, aside.read_bytes())


def frames(drawn: Drawn, picture: Picture) -> Iterator[tuple[Value, Picture]]:
    """Draws one frame after the other into the figure of the whole, whose axes keep their ends.

    Each comes with its value of the field.
    """
    field = str(drawn.placing.frames)
    column = drawn.table[field].map(plain)
    ends = {
        place: (axes.get_xlim(), axes.get_ylim())
        for place, axes in np.ndenumerate(picture.panels)
        if axes is not None
    }
    for value in frame_values(drawn):
        part = drawn._replace(table=drawn.table[_is(column, value)])
        frame = redraw(picture.figure, part, whole=drawn)
        for place, (across, up) in ends.items():
            frame.panels[place].set_xlim(across)
            frame.panels[place].set_ylim(up)
        titled, here = frame.figure.get_suptitle(), f"{field}={text_of(value)}"
        frame.figure.suptitle(f"{titled}, {here}" if titled else here, parse_math=False)
        yield value, frame


def _is(column: "np.typing.ArrayLike", value: Value) -> "np.typing.NDArray[np.bool_]":
    found = np.asarray(column, dtype=object)
    return np.array([each == value for each in found], dtype=bool)


def frame_values(drawn: Drawn) -> list[Value]:
    """The values of the field that moves, in order; InvalidError if they are too many."""
    field = str(drawn.placing.frames)
    present = set(drawn.table[field].map(plain))
    order: list[Value] = drawn.orders.get(field, [])
    if field == drawn.placing.history:
        order = np.unique(drawn.table[field].to_numpy()).tolist()
    values = [value for value in order if value in present]
    if len(values) > MOST_FRAMES:
        raise InvalidError(
            f"{len(values)} values of {field!r} are more than {MOST_FRAMES} frames. Leave some "
            f"out: only '{field} FROM:TO'."
        )
    return values


def _writer(path: Path, rate: float) -> PillowWriter | FFMpegWriter:
    if path.suffix.lower() == ".gif":
        return PillowWriter(fps=rate)  # type: ignore[arg-type]  # a rate may be broken
    if not FFMpegWriter.isAvailable():
        raise InvalidError(
            f"{path.name!r} needs ffmpeg, which is not installed here. Write a .gif instead."
        )
    return FFMpegWriter(fps=rate, codec="h264", extra_args=["-pix_fmt", "yuv420p"])  # type: ignore[arg-type]
