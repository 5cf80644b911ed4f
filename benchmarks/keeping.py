"""Grouping, scaling and saving a feature set of a million rows, against the plain libraries."""

import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.preprocessing import StandardScaler

from benchmarks.features import COLUMNS, make_frame, make_set
from benchmarks.measure import Row, absolute, compare, report
from engine.context import ExperimentContext
from engine.features import FeatureSet

SAMPLES, STEPS = 20_000, 100


def grouped_frame() -> pd.DataFrame:
    """Each sample's steps in a row, but backwards."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cell": np.repeat(np.arange(SAMPLES), STEPS),
            "time": np.tile(np.arange(STEPS)[::-1], SAMPLES),
            "voltage": random.random(SAMPLES * STEPS),
            "current": random.random(SAMPLES * STEPS),
            "soh": np.repeat(random.random(SAMPLES), STEPS),
        }
    )


def grouped(frame: pd.DataFrame) -> None:
    with ExperimentContext.dont_register():
        cells = FeatureSet.from_pandas(
            "cells",
            frame,
            ["voltage", "current"],
            "soh",
            group_by="cell",
            tag_cols="cell",
            sort_by="time",
        )
    assert cells.get_feature_shapes()["features.voltage.raw"] == (STEPS,)


def scaling(frame: pd.DataFrame, feature_set: FeatureSet) -> Row:
    def ours() -> None:
        feature_set.undo_all_transforms()
        feature_set.fit_transform("StandardScaler", domain="features")

    def bare() -> np.ndarray:
        return StandardScaler().fit_transform(frame[COLUMNS])

    ours()
    assert np.array_equal(feature_set.get_features("np"), bare())
    row = compare("StandardScaler fitted and applied", ours, bare, 1.5)
    feature_set.undo_all_transforms()
    return row


def saving(feature_set: FeatureSet, folder: Path) -> list[Row]:
    """Ours is on the disk when `save` returns, and verified when it is read; Arrow's is neither."""
    table = feature_set.collection.table
    plain, ours_at = folder / "plain.arrow", folder / "ours.featureset"

    def make_place() -> None:
        plain.unlink(missing_ok=True)
        ours_at.unlink(missing_ok=True)

    def arrow(*, synced: bool) -> pa.Table:
        with plain.open("xb") as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        with pa.OSFile(str(plain)) as file:
            return pa.ipc.open_file(file).read_all()

    def ours() -> FeatureSet:
        feature_set.save(ours_at)
        with ExperimentContext.dont_register():
            return FeatureSet.load(ours_at)

    assert ours() == feature_set
    return [
        compare(
            "save + load, against Arrow", ours, partial(arrow, synced=False), 4, before=make_place
        ),
        compare(
            "the same, against a synced one",
            ours,
            partial(arrow, synced=True),
            None,
            before=make_place,
        ),
    ]


def main() -> bool:
    frame, steps = make_frame(), grouped_frame()
    feature_set = make_set(frame)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            absolute(f"{SAMPLES} samples of {STEPS} steps", lambda: grouped(steps), 1.0),
            scaling(frame, feature_set),
            *saving(feature_set, Path(folder)),
        ]
    return report(rows, "Feature sets: grouping, scaling, saving")


if __name__ == "__main__":
    raise SystemExit(not main())
