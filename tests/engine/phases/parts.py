from engine.optimizers import Optimizer
from engine.samplers import SimpleSampler


def sampler(size=10, **options):
    return SimpleSampler(batch_size=size, shuffle=True, **options)


def adam(**options):
    return Optimizer("adam", opt_kwargs={"lr": 0.01}, **options)
