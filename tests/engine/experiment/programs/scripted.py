"""A script with a model, a loss and a callback of its own: stops in the middle, and saves."""

import sys

import torch

from engine import AppliedLoss, Experiment, ModelGraph, ModelNode, Optimizer, SimpleSampler
from engine.callbacks import Callback
from engine.models import TorchModelWrapper
from engine.phases import TrainPhase
from tests.engine.small_experiments import numbers

SCALE = 0.5


class Scaled(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, 1))

    def forward(self, x):
        return SCALE * self.layers(x)


def distance(outputs, targets):
    return (outputs - targets).abs().mean()


class StopAt(Callback):
    def __init__(self, step=3, **options):
        super().__init__(**options)
        self.step = step

    def on_batch_end(self, *, experiment, **_):
        if experiment.step == self.step:
            experiment.request_stop()

    def get_config(self):
        return {**super().get_config(), "step": self.step}


def main(path):
    torch.set_num_threads(1)
    experiment = Experiment("scripted", seed=3)
    data = numbers("data")
    model = TorchModelWrapper(model_class=Scaled, model_kwargs={"width": 3})
    ModelGraph([ModelNode("net", model, data.reference())], Optimizer("adam"))
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=8, shuffle=True),
        losses=[AppliedLoss(distance, on="net")],
        callbacks=[StopAt()],
        n_epochs=2,
    )
    experiment.execution_plan.add_phase(phase)
    experiment.run()
    experiment.save(path, package_code=True)
    experiment.resume()
    weights = experiment.model_graph.get_weights()["net"]
    print(*[value.hex() for one in weights.values() for value in one.flatten().tolist()])


if __name__ == "__main__":
    main(sys.argv[1])
