"""An estimator of types that are not known to be safe is refused by the word that accepts it."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from engine.context import ExperimentContext
from engine.errors import UntrustedTypesError
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.models import ScikitModelWrapper
from engine.phases import FitPhase
from engine.saving import read_file


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A file of each kind with a fitted forest, or a scaler, in it."""
    experiment = Experiment("forests", seed=1)
    x = np.random.default_rng(0).normal(size=(20, 2))
    data = FeatureSet.from_dict("data", {"x": x, "y": x.sum(1)}, "x", "y")
    data.fit_transform("StandardScaler", domain="features")
    forest = ModelNode(
        "forest",
        RandomForestRegressor(n_estimators=2),
        data.reference(features="x.raw", targets="y"),
    )
    graph = ModelGraph([forest])
    data.split_random({"all": 1.0})
    experiment.run_phase(FitPhase.from_split("fit", split="all"))
    return {
        "feature set": data.save(tmp_path / "a"),
        "model": forest.model.save(tmp_path / "b"),
        "graph": graph.save(tmp_path / "c"),
        "experiment": experiment.save(tmp_path / "d"),
        "checkpoint": experiment.write_checkpoint(tmp_path / "e.ckpt").path,
        "graph's checkpoint": graph.save_checkpoint(tmp_path / "f.ckpt"),
    }, experiment


LOADED = {"feature set": FeatureSet, "model": ScikitModelWrapper, "graph": ModelGraph}


@pytest.mark.parametrize("kind", [*LOADED, "experiment"])
def test_what_load_reads_is_accepted_by_allow_packaged_code(saved, monkeypatch, kind):
    path = saved[0][kind]
    load = (LOADED | {"experiment": Experiment})[kind].load
    if kind == "feature set":  # whose own scalers are all known
        _distrust(monkeypatch)

    with (
        ExperimentContext().activate(),
        pytest.raises(UntrustedTypesError, match=r"Pass allow_packaged_code=True if you know"),
    ):
        load(path)
    with ExperimentContext().activate():
        load(path, allow_packaged_code=True)


@pytest.mark.parametrize("kind", ["checkpoint", "graph's checkpoint"])
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_restored_is_accepted_by_trusted(saved, kind, whole):
    paths, experiment = saved
    restore = (experiment if whole else experiment.model_graph).restore_checkpoint

    with pytest.raises(UntrustedTypesError, match=r"Tree.* Pass trusted=True if you know"):
        restore(paths[kind])
    restore(paths[kind], trusted=True)


def test_a_graph_that_a_checkpoint_refers_to_is_refused_alike(saved, tmp_path):
    _, experiment = saved
    brief = experiment.write_checkpoint(tmp_path / "brief.ckpt", share_graph=True)
    assert brief.graph is not None

    with pytest.raises(UntrustedTypesError, match=r"e\.ckpt.* Pass trusted=True"):
        experiment.restore_checkpoint(brief.path)
    experiment.restore_checkpoint(brief.path, trusted=True)


def test_any_file_is_read_by_trusted(saved):
    with pytest.raises(UntrustedTypesError, match=r"Tree.* Pass trusted=True"):
        read_file(saved[0]["graph"])
    assert read_file(saved[0]["graph"], trusted=True)


def _distrust(monkeypatch):
    from skops import io

    known = io.get_untrusted_types
    monkeypatch.setattr(
        io, "get_untrusted_types", lambda **given: [*known(**given), "numpy.float64"]
    )
