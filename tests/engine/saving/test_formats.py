"""Files of every released version of the format are read, and say what they said then.

`formats/make.py` wrote them. One that this test cannot read any more is a defect of what reads.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.callbacks import Accuracy, Callback, EvaluationMetric, ExperimentCallback
from engine.context import ExperimentContext
from engine.errors import FileFormatError
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph
from engine.losses import AppliedLoss, Loss
from engine.models import BaseModel
from engine.optimizers import Optimizer, Scheduler
from engine.samplers import SimpleSampler
from engine.saving import Savable, read_file, write_large_file
from engine.saving.container import VERSION
from engine.scalers import Scaler
from engine.splitters import RandomSplitter
from tests.engine.saving.formats.make import Watching, build
from tests.engine.small_experiments import assert_equal, fresh

FORMATS = Path(__file__).parent / "formats"
VERSIONS = sorted(FORMATS.glob("version-*"))
WEIGHTS = {"layers.1.weight": 0.9834446310997009, "layers.1.bias": 1.1931278705596924}
BEST = {"layers.1.weight": 0.9423640370368958, "layers.1.bias": 1.2019630670547485}


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def stored(request):
    return request.param


def numbers(weights):
    return {name: float(value) for name, value in weights.items()}


class TestCheckpoints:
    def test_of_an_experiment_with_its_best_weights(self, stored):
        experiment = fresh(build)
        experiment.restore_checkpoint(stored / "experiment.ckpt")

        assert experiment.cursor == ((0,), 1, 1, 4)
        assert (experiment.seed, experiment.step) == (5, 4)
        assert [(run.label, run.status) for run in experiment.history] == [("line", "stopped")]
        assert numbers(experiment.model_graph.get_weights()["net"]) == WEIGHTS
        moments = experiment.model_graph.get_state()["optimizer"]["optimizer"]["state"]
        assert {int(moment["step"]) for moment in moments.values()} == {4}
        train, test = experiment.remaining()
        assert (train.status, train.epochs, train.batch) == ("resumed", range(1, 3), 1)
        assert test.status == "planned"

    def test_of_an_experiment_can_be_gone_on_with(self, stored):
        experiment = fresh(build)
        experiment.restore_checkpoint(stored / "experiment.ckpt")
        results = experiment.resume(show_training_progress=False)

        metrics = results["train"].metrics()
        losses = [metrics.at(name="val_loss", epoch=n, batch=None).value for n in range(3)]
        assert losses[0] == 0.12332262843847275  # measured before the checkpoint was written
        assert losses[2] == pytest.approx(0.0571830, rel=1e-4)
        assert experiment.step == 9

    def test_the_best_weights_are_the_file_it_refers_to(self, stored):
        (path,) = stored.glob("best-*.ckpt")
        payload, _ = read_file(path, "best weights")
        (snapshot,) = payload.values()

        assert snapshot["epoch"] == 0
        assert numbers(snapshot["weights"]["net"]) == BEST

    def test_of_a_graph_alone(self, stored):
        graph = fresh(build).model_graph
        graph.build()
        graph.restore_checkpoint(stored / "graph.ckpt")
        assert numbers(graph.get_weights()["net"]) == WEIGHTS
        assert read_file(stored / "graph.ckpt")[1] == {"note": "alone"}

        experiment = fresh(build)
        experiment.restore_checkpoint(stored / "graph.ckpt")
        assert_equal(experiment.model_graph.get_state(), graph.get_state())
        assert experiment.cursor is None


class TestObjects:
    def test_an_experiment_goes_on_as_its_checkpoint_does(self, stored):
        with ExperimentContext().activate():
            loaded = Experiment.load(stored / "line.experiment")
            assert loaded.cursor == ((0,), 1, 1, 4)
            loaded.resume(show_training_progress=False)
        restored = fresh(build)
        restored.restore_checkpoint(stored / "experiment.ckpt")
        restored.resume(show_training_progress=False)

        assert_equal(loaded.model_graph.get_state(), restored.model_graph.get_state())

    def test_a_graph(self, stored):
        with ExperimentContext().activate():
            graph = ModelGraph.load(stored / "net.graph")
        assert numbers(graph.get_weights()["net"]) == WEIGHTS

    def test_a_feature_set(self, stored):
        with ExperimentContext().activate():
            points = FeatureSet.load(stored / "points.featureset")
        assert len(points) == 12
        assert {name: len(points[name]) for name in ("train", "val")} == {"train": 9, "val": 3}
        x = points.get_features("np", features="x", rep="raw")
        assert np.array_equal(x.ravel(), np.linspace(-1, 1, 12, dtype="float32"))
        assert points["train"].get_features("np", rep="transformed").std() == pytest.approx(1)

    def test_a_sampler_a_splitter_and_a_scaler(self, stored):
        sampler = SimpleSampler.load(stored / "threes.sampler")
        splitter = RandomSplitter.load(stored / "halves.splitter")
        scaler = Scaler.load(stored / "fitted.scaler")

        assert (sampler.get_config()["batch_size"], sampler.get_config()["seed"]) == (3, 7)
        assert splitter.get_config()["ratios"] == {"a": 0.5, "b": 0.5}
        assert scaler.transform(np.array([[2.0]])).tolist() == [[0.5]]

    def test_a_model_with_its_weights(self, stored):
        assert numbers(BaseModel.load(stored / "net.model").get_weights()) == WEIGHTS

    def test_what_training_is_made_of(self, stored):
        optimizer = Optimizer.load(stored / "adam.optimizer")
        scheduler = Scheduler.load(stored / "steps.scheduler")
        loss = Loss.load(stored / "huber.loss")
        applied = AppliedLoss.load(stored / "half.applied_loss")

        assert optimizer.get_config()["opt"] == "torch.optim.adam:Adam"
        assert optimizer.get_config()["opt_kwargs"] == {"lr": 0.1}
        assert optimizer.get_config()["scheduler"] == scheduler.get_config()
        assert scheduler.get_config()["interval"] == "step"
        assert float(loss(torch.zeros(1), torch.ones(1))) == 0.375  # 0.5 * (1 - 0.5 / 2)
        assert (applied.label, applied.weight) == ("half", 0.5)

    def test_what_listens(self, stored):
        patient = Callback.load(stored / "patient.callback")
        accuracy = EvaluationMetric.load(stored / "accuracy.metric")
        watching = ExperimentCallback.load(
            stored / "watching.experiment_callback", allow_packaged_code=True
        )

        assert (patient.monitor, patient.patience) == ("val_loss", 4)
        assert type(accuracy) is Accuracy
        assert (type(watching), watching.execution_order) == (Watching, 2)


def test_there_is_a_file_of_every_kind_that_can_be_saved():
    def kinds(base):
        found = {base.saved_as} if "saved_as" in vars(base) else set()
        return found.union(*map(kinds, base.__subclasses__()))

    saved = {path.suffix[1:] for path in (FORMATS / f"version-{VERSION}").iterdir()}
    assert saved == {*kinds(Savable), "ckpt", "featureset"}


@pytest.mark.parametrize("name", ["experiment.ckpt", "graph.ckpt"])
def test_one_of_a_newer_version_is_refused_and_changes_nothing(tmp_path, monkeypatch, name):
    kind = {"experiment.ckpt": "experiment checkpoint", "graph.ckpt": "graph checkpoint"}[name]
    monkeypatch.setattr("engine.saving.files.BY_PIECES", VERSION + 1)
    write_large_file(tmp_path / name, kind, {"something": torch.zeros(2)})
    experiment = fresh(build)
    before = experiment.get_state()

    with pytest.raises(
        FileFormatError,
        match=rf"{name} cannot be read: it was written by a newer version of Labkeeper \(format "
        rf"{VERSION + 1}, this version reads up to {VERSION}\); update Labkeeper",
    ):
        experiment.restore_checkpoint(tmp_path / name)

    assert_equal(experiment.get_state(), before)


def test_reading_leaves_the_stored_files_as_they_are(tmp_path):
    copied = shutil.copytree(VERSIONS[-1], tmp_path / "copy")
    experiment = fresh(build)
    experiment.restore_checkpoint(copied / "experiment.ckpt")

    assert {path.name: path.read_bytes() for path in copied.iterdir()} == {
        path.name: path.read_bytes() for path in VERSIONS[-1].iterdir()
    }
