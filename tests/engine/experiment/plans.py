import torch

from engine.callbacks import Callback
from engine.phases import EvalPhase, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import cross_entropy


def training(label="train", n_epochs=1, **options):
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=24, shuffle=True),
        n_epochs=n_epochs,
        **{"losses": [cross_entropy()], **options},
    )


def evaluation(label="test"):
    return EvalPhase.from_split(label, split="val", losses=[cross_entropy()])


class Failing(Callback):
    """Raises at the end of one batch; remembers what it was shown."""

    def __init__(self, error, *, batch=1, **options):
        super().__init__(**options)
        self.error, self.batch, self.seen = error, batch, []

    def on_batch_end(self, *, exec_ctx, **_):
        if exec_ctx.batch_idx == self.batch:
            raise self.error

    def on_exception(self, *, exception, exec_ctx, **_):
        self.seen.append((exception, exec_ctx.batch_idx))


def weights(experiment):
    return {
        name: value.clone() for name, value in experiment.model_graph.get_weights()["net"].items()
    }


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)
