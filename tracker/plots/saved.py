"""Named plots, kept in `labkeeper.toml` beside the lab.

    [plots.lr-width]
    metrics = ["val_loss"]
    filter = "experiment == 'digits'"
    kind = "heatmap"
    x = ["lr", "width"]

Every other key is an option of a plot by its Python name.
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tracker.errors import InvalidError, NotFoundError, unusable

FILE = "labkeeper.toml"


class SavedPlot(NamedTuple):
    """What a named plot says; the options are not checked yet."""

    metrics: tuple[str, ...]
    filter: str | None
    options: dict[str, Any]


def saved_plot(root: Path, name: str) -> SavedPlot:
    """The plot of this name; NotFoundError suggests the nearest, InvalidError names the fault."""
    path = root / FILE
    plots = _plots(path)
    if name not in plots:
        raise NotFoundError(f"plot in {path}", name, plots)
    said = plots[name]
    if not isinstance(said, dict):
        raise InvalidError(f"{path}: plots.{name} must be a table, [plots.{name}].")
    options = dict(said)
    metrics, filter_ = options.pop("metrics", []), options.pop("filter", None)
    metrics = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(metrics, list) or not all(isinstance(each, str) for each in metrics):
        raise InvalidError(f"{path}: the metrics of plots.{name} must be a list of names.")
    if not (filter_ is None or isinstance(filter_, str)):
        raise InvalidError(f"{path}: the filter of plots.{name} must be a text.")
    return SavedPlot(tuple(metrics), filter_, options)


def saved_names(root: Path) -> list[str]:
    """The names of all plots that are kept; none where there is no file."""
    path = root / FILE
    return list(_plots(path)) if path.is_file() else []


def _plots(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidError(f"There is no {path}, where named plots are kept.") from None
    except OSError as error:
        raise unusable(path, error) from error
    except UnicodeDecodeError:
        raise InvalidError(f"{path} is no UTF-8 text.") from None
    try:
        plots = tomllib.loads(text).get("plots", {})
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{path}: {error}.") from error
    if not isinstance(plots, dict):
        raise InvalidError(f"{path}: 'plots' must be tables, such as [plots.{plots}].")
    return plots
