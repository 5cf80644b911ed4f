import numpy as np
import pytest

from engine.features import FeatureSet


@pytest.fixture
def cells():
    """Twelve samples of every kind of column: arrays, plain numbers, texts."""
    n = 12
    return FeatureSet.from_dict(
        "cells",
        {
            "voltage": np.arange(n * 3, dtype=np.float64).reshape(n, 3),
            "current": np.arange(n) * 0.5,
            "cycle": np.arange(n),
            "soh": 1 - np.arange(n) / 100,
            "cell": [f"c{row % 3}" for row in range(n)],
        },
        feature_keys=["voltage", "current", "cycle"],
        target_keys="soh",
        tag_keys="cell",
    )
