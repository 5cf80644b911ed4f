"""Drawing what was recorded."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.errors import InvalidError
from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tracker.plots import Drawn


class Plotting(LabBase):
    """Pictures of what was recorded."""

    def plot(
        self,
        metrics: str | Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        path: str | os.PathLike[str] | None = None,
        data: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> "tuple[Figure, Any]":
        """A figure of these metrics of the runs that a filter describes, and its axes.

        Takes what `plotted` takes. The axes are one `Axes`, or an array of them by row and column
        where there are several panels, as of `matplotlib.pyplot.subplots`. With a `path`, the
        picture is written there too, as PNG, SVG or PDF, or as GIF or MP4 if it is animated;
        with `data`, the numbers are, as CSV.
        """
        from tracker.plots import (
            check_folder,
            check_picture_path,
            draw,
            save_animation,
            save_data,
            save_figure,
        )

        if path is not None and options.get("saved") is None:
            check_picture_path(Path(path), moving=options.get("animate") is not None)
        if data is not None:
            check_folder(Path(data))
        drawn = self.plotted(metrics, filter, **options)
        picture = draw(drawn)
        if path is not None and drawn.placing.frames:
            save_animation(drawn, Path(path))
        elif path is not None:
            save_figure(picture.figure, Path(path), drawn.options.looks)
        if data is not None:
            save_data(drawn, Path(data))
        return picture.figure, picture.axes

    def plotted(
        self,
        metrics: str | Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - as above
        *,
        names: Sequence[str] = (),
        pipelines: bool = False,
        saved: str | None = None,
        **options: Any,
    ) -> "Drawn":
        """What a plot would draw: its `table`, and the `rules` that say how that was made.

        Of the runs that a filter describes, or of the runs and pipelines called `names`; with
        `pipelines`, the filter is about pipelines, whose current runs are drawn. `saved` names a
        plot kept in `labkeeper.toml`; what is said here stands above what is said there.
        `options` are those of `tracker.plots.Contents` and `tracker.plots.Looks`: `kind`, `x`,
        `lines`, `average`, `yscale`, `title` and so on, and `log_x`, `log_y`.
        """
        from tracker.plots import Choice, make_table, options_from, read_records, saved_plot

        metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        if saved is not None:
            kept = saved_plot(self.root, saved)
            metrics, filter = metrics or kept.metrics, filter or kept.filter  # noqa: A001 - as above
            options = kept.options | options
        if not metrics:
            raise InvalidError("Which metric? Name one or several to draw.")
        chosen = options_from(options)
        with self.database.read() as session:
            records = read_records(session, metrics, Choice(names, filter, pipelines), chosen)
        return make_table(records, metrics, chosen)

    def report(
        self,
        filter: str | None = None,  # noqa: A002 - as above
        *,
        path: str | os.PathLike[str] | None = None,
        names: Sequence[str] = (),
        pipelines: bool = False,
        metrics: Sequence[str] | None = None,
        title: str | None = None,
    ) -> str:
        """One HTML page about the runs that a filter describes: a table, differences, curves.

        It needs no network and no other file; with a `path` it is written there. Runs may be
        chosen as in `plotted`. Without `metrics`, all that have a history are drawn.
        """
        from tracker.plots import Choice
        from tracker.plots.output.files import write_file
        from tracker.plots.output.paths import check_folder
        from tracker.reports import gather, page

        if path is not None:
            check_folder(Path(path))
        with self.database.read() as session:
            choice = Choice(names, filter, pipelines)
            html = page(gather(session, choice, metrics=metrics, title=title))
        if path is not None:
            write_file(Path(path), html.encode())
        return html
