"""Loads in its folder what `saver.py` has left there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import (
    BaseModel,
    EarlyStopping,
    EvalPhase,
    Experiment,
    ExperimentContext,
    FeatureSet,
    Loss,
    ModelGraph,
    Optimizer,
    RandomSplitter,
    Scaler,
)
from engine.errors import PackagedCodeError
from engine.samplers import BaseSampler
from engine.splitters import BaseSplitter
from engine.utils import inspect_packaged_code

# Nothing of the user's own runs unless it may.
for name, kind in {
    "graph": ModelGraph,
    "model": BaseModel,
    "loss": Loss,
    "all": Experiment,
}.items():
    [path] = Path().glob(name + ".*")
    with ExperimentContext().activate(), pytest.raises(PackagedCodeError) as caught:
        kind.load(path)
    assert "allow_packaged_code=True" in str(caught.value)
    assert str(path) in str(caught.value)
    sources = inspect_packaged_code(path)
    wanted = {
        "model": ["Gated"],
        "loss": ["pinball"],
        "graph": ["Gated"],
        "all": ["Gated", "pinball"],
    }
    for symbol in wanted[name]:
        [source] = [text for key, text in sources.items() if symbol in key]
        assert symbol in source, source

data = FeatureSet.load("data.featureset")
assert data.available_splits == ["train", "val"]
assert isinstance(BaseSplitter.load("splitter"), RandomSplitter)
assert BaseSampler.load("sampler").get_config()["batch_size"] == 12
scaler = Scaler.load("scaler")
raw = data.get_features("np", rep="raw")
assert np.allclose(
    scaler.transform(raw.reshape(60, 3)), data.get_features("np", rep="transformed").reshape(60, 3)
)
assert Optimizer.load("optimizer").name == "adamw"
loss = Loss.load("loss", allow_packaged_code=True)
assert float(loss(torch.zeros(2), torch.ones(2)).mean()) == np.float32(0.7)
model = BaseModel.load("model", allow_packaged_code=True)
assert (model.is_built, model.input_shape) == (True, (3,))

with ExperimentContext().activate():
    experiment = Experiment.load(
        "all", allow_packaged_code=True, checkpoint_dir=Path("checkpoints")
    )
    assert experiment.label == "saved"
    assert [one.status for one in experiment.history] == ["completed"]
    assert [one.label for one in experiment.execution_plan.flatten()] == ["train", "test"]
    phase = experiment.execution_plan.get_train_phase("train")
    stopping = next(one for one in phase.callbacks if isinstance(one, EarlyStopping))
    assert (stopping.monitor, stopping.restore_best) == ("val_loss", True)
    assert len(experiment.available_checkpoints) == 3
    found = experiment.run_phase(EvalPhase.from_split("t", split="val")).stacked_tensors(
        "net", "outputs"
    )
    assert np.array_equal(found.numpy(), np.load("outputs.npy"))
    experiment.restore_checkpoint("train_epoch0")
    found = experiment.run_phase(EvalPhase.from_split("t2", split="val")).stacked_tensors(
        "net", "outputs"
    )
    assert not np.array_equal(found.numpy(), np.load("outputs.npy"))
    experiment.run(show_training_progress=False)
print("all there")
