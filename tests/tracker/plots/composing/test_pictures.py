"""A few small pictures, compared with those that somebody looked at and found right.

Tolerant: letters and edges may shift by a little from one release of matplotlib to the next.
After a change that is meant, look at what `python tests/tracker/plots/composing/test_pictures.py`
writes, and commit it.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tracker.plots import draw, make_table, options_from, records_from, save_figure

PICTURES = Path(__file__).parent / "pictures"
# Of 255, on average over pixels that are blurred to a quarter of the size.
TOLERANCE = 4

WANTED = {
    "curve": {"lines": "lr", "kind": "curve_best", "log_y": True},
    "bar": {"kind": "bar", "x": "lr", "lines": "opt"},
    "heatmap": {"kind": "heatmap", "x": ("lr", "opt")},
    "box": {"kind": "box", "x": "lr"},
    "multiples": {"columns": "opt", "lines": "lr"},
}


def make(name, path):
    rng = np.random.default_rng(11)
    keys = [(lr, opt, seed) for lr in (1, 2, 4) for opt in ("adam", "sgd") for seed in range(4)]
    rows = [
        {
            "run": number,
            "metric": "loss",
            "step": epoch,
            "epoch": epoch,
            "value": np.exp(-lr * epoch / 10) + 0.2 * (opt == "sgd") + 0.1 * rng.random(),
            "time": pd.Timestamp(epoch, unit="s", tz="UTC"),
        }
        for number, (lr, opt, _) in enumerate(keys)
        for epoch in range(10)
    ]
    runs = pd.DataFrame(keys, columns=["params.lr", "params.opt", "seed"]).astype(object)
    runs["name"] = [f"run-{number}" for number in range(len(runs))]
    options = options_from(WANTED[name] | {"size": "4x2.4", "font_size": 8, "dpi": 60})
    records = records_from(pd.DataFrame(rows), runs, {"loss": "min"})
    save_figure(draw(make_table(records, ["loss"], options)).figure, path, options.looks)


def pixels(path):
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((picture.width // 4, picture.height // 4))
        return np.asarray(small, dtype=float)


@pytest.mark.parametrize("name", WANTED)
def test_it_looks_as_it_did(name, tmp_path):
    make(name, tmp_path / "now.png")
    now, then = pixels(tmp_path / "now.png"), pixels(PICTURES / f"{name}.png")

    assert now.shape == then.shape
    assert np.abs(now - then).mean() < TOLERANCE


def test_one_picture_is_not_taken_for_another():
    bar, box = pixels(PICTURES / "bar.png"), pixels(PICTURES / "box.png")

    assert np.abs(bar - box).mean() > TOLERANCE


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))
    for each in WANTED:
        make(each, PICTURES / f"{each}.png")
