"""Feature sets scaled by a class that a script defines: refused, or with its source in the file."""

import numpy as np
import pytest

from engine.errors import PackagedCodeError
from engine.features import FeatureSet
from engine.utils import inspect_packaged_code
from tests.engine.saving.programs import run

SCRIPT = """
from engine import FeatureSet


class Halving:
    def fit(self, x):
        self.factor_ = 0.5
        return self

    def transform(self, x):
        return x * self.factor_

    def inverse_transform(self, x):
        return x / self.factor_


points = FeatureSet.from_dict("points", {"x": [1.0, 2.0], "y": [3.0, 4.0]}, "x", "y")
points.fit_transform(Halving(), domain="features")
points.save("points", package_code=True)
"""


def test_is_refused_when_saving_unless_its_source_is_asked_for(tmp_path):
    said = run(tmp_path, SCRIPT.replace(", package_code=True", ""))
    assert "__main__:Halving is defined in a script or notebook" in said
    assert "Save with package_code=True" in said
    assert not list(tmp_path.glob("*.featureset*"))


def test_comes_back_in_another_process_where_that_is_allowed(tmp_path):
    assert run(tmp_path, SCRIPT) == ""
    path = tmp_path / "points.featureset"
    assert "class Halving" in inspect_packaged_code(path)["__main__:Halving"]
    with pytest.raises(PackagedCodeError, match=r"points\.featureset cannot.*allow_packaged_code"):
        FeatureSet.load(path)

    points = FeatureSet.load(path, allow_packaged_code=True)
    assert np.array_equal(points.column("x"), [0.5, 1.0])
    points.undo_last_transform("features", "x")
    assert np.array_equal(points.column("x"), [1.0, 2.0])


def test_is_saved_again_with_the_source_it_came_with(tmp_path):
    run(tmp_path, SCRIPT)
    points = FeatureSet.load(tmp_path / "points.featureset", allow_packaged_code=True)
    with pytest.raises(PackagedCodeError, match="package_code=True"):
        points.save(tmp_path / "again")
    again = points.save(tmp_path / "again", package_code=True)
    assert FeatureSet.load(again, label="again", allow_packaged_code=True) == points
