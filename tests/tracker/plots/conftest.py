import re
import zlib

import numpy as np
import pandas as pd
import pytest

from tracker.plots import draw, make_table, options_from, records_from

START = pd.Timestamp("2026-01-01T10:00:00Z")


@pytest.fixture
def history():
    """Makes a history: `history({("a", "loss"): [1.0, 0.5]})`, ten steps and 30 s an epoch."""

    def make(curves):
        rows = [
            {
                "run": run,
                "metric": metric,
                "step": 10 * (epoch + 1),
                "epoch": epoch,
                "value": value,
                "time": START + pd.Timedelta(seconds=30 * epoch),
            }
            for (run, metric), values in curves.items()
            for epoch, value in enumerate(values)
        ]
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def runs():
    """Makes a table of runs: `runs("a", "b", lr=[0.1, 0.2])`, whose columns are parameters."""

    def make(*names, **columns):
        filled = {"experiment": ["digits"] * len(names), "pipeline": [None] * len(names)}
        for key, values in columns.items():
            known = ("experiment", "pipeline", "started", "seed", "phase")
            filled[key if key in known else f"params.{key}"] = values
        return pd.DataFrame({"name": list(names), **filled}, index=list(names), dtype=object)

    return make


@pytest.fixture
def plotted(history, runs):
    """The table of a picture of `curves`: by run where there is one metric, else by both."""

    def make(curves, metrics="m", *, goals=None, params=None, **options):
        metrics = [metrics] if isinstance(metrics, str) else metrics
        curves = {
            key if isinstance(key, tuple) else (key, metrics[0]): values
            for key, values in curves.items()
        }
        table = runs(*dict.fromkeys(run for run, _ in curves), **(params or {}))
        records = records_from(history(curves), table, goals)
        return make_table(records, metrics, options_from(options))

    return make


@pytest.fixture
def picture(plotted):
    """The same, drawn: figure and axes."""

    def make(*args, **options):
        made = draw(plotted(*args, **options))
        return made.figure, made.axes

    return make


@pytest.fixture
def grid(plotted):
    """Twelve runs: `lr` of 0.1, 0.2, 0.3, `opt` of sgd and adam, two seeds; loss and accuracy.

    Returns the values by (metric, lr, opt, seed), and a function as `plotted`.
    """
    rng = np.random.default_rng(5)
    keys = [(lr, opt, seed) for lr in (0.1, 0.2, 0.3) for opt in ("sgd", "adam") for seed in (0, 1)]
    curves = {
        (metric, *key): rng.normal(size=4).tolist() for key in keys for metric in ("loss", "acc")
    }
    named = {("-".join(map(str, key[1:])), key[0]): values for key, values in curves.items()}
    columns = zip(*keys, strict=True)
    params = dict(zip(("lr", "opt", "seed"), map(list, columns), strict=True))

    def make(metrics="loss", **options):
        goals = {"loss": "min", "acc": "max"}
        return plotted(named, metrics, goals=goals, params=params, **options)

    return curves, make


@pytest.fixture
def has_raster():
    """Whether an SVG or a PDF holds any picture made of dots."""

    def look(content):
        if content.startswith(b"<?xml"):
            return b"<image" in content
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        assert streams
        texts = [content, *map(_inflated, streams)]
        return any(re.search(rb"/Subtype\s*/Image|\bBI\b.*\bID\b", text) for text in texts)

    return look


def _inflated(stream):
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
