"""Drawing what was recorded."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plotting(LabBase):
    """Pictures of histories."""

    def plot(
        self,
        metrics: str | Sequence[str],
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        names: Sequence[str] = (),
        pipelines: bool = False,
        path: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> "Figure":
        """Curves of these metrics, a panel for each, of the runs that a filter describes.

        Or of the runs and pipelines called `names`; with `pipelines`, the filter is about
        pipelines, whose current runs are drawn. `options` are those of
        `tracker.plots.CurveOptions`: `x`, `kind`, `group_by`, `log_y` and so on. With a path,
        the picture is written there too, as PNG, SVG or PDF.
        """
        from tracker.plots import (
            CurveChoice,
            CurveOptions,
            check_picture_path,
            draw_curves,
            read_curves,
            save_figure,
        )

        metrics = [metrics] if isinstance(metrics, str) else metrics
        chosen = CurveOptions(**options)
        if path is not None:
            check_picture_path(Path(path))
        with self.database.read() as session:
            curves = read_curves(session, metrics, CurveChoice(names, filter, pipelines), chosen)
        figure = draw_curves(
            curves.history, curves.runs, metrics, goals=curves.goals, options=chosen
        )
        if path is not None:
            save_figure(figure, Path(path))
        return figure
