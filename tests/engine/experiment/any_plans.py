"""Phases, groups and experiments with any of their options, for property tests."""

from hypothesis import strategies as st

from engine.callbacks import (
    Accuracy,
    Checkpointing,
    EarlyStopping,
    EvalLossMetric,
    Evaluation,
    ExperimentCallback,
)
from engine.losses import AppliedLoss, Loss
from engine.optimizers import Scheduler
from engine.phases import EvalPhase, FitPhase, InputBinding, PhaseGroup, TrainPhase
from engine.samplers import SimpleSampler

LABELS = st.sampled_from(["a", "b", "première", "c d", "x/y"])
SHARES = st.floats(0.001, 1000, allow_nan=False)
COUNTS = st.integers(1, 2**40)
NODES = ("left", "right")

samplers = st.builds(
    SimpleSampler,
    batch_size=COUNTS,
    shuffle=st.booleans(),
    seed=st.none() | st.integers(0, 2**63),
    drop_last=st.booleans(),
    reshuffle=st.booleans(),
)
schedulers = st.builds(
    lambda size, gamma, interval: Scheduler(
        "steplr", {"step_size": size, "gamma": gamma}, interval=interval
    ),
    st.integers(1, 9),
    SHARES,
    st.sampled_from(["epoch", "step"]),
) | st.just(Scheduler("reducelronplateau", {"patience": 2}, monitor="val_loss"))
losses = st.builds(
    lambda kind, node, weight, reduction, named: AppliedLoss(
        Loss(kind, reduction=reduction),
        on=node,
        inputs={"input": f"{node}.outputs", "target": "targets"}
        if named
        else ["outputs", "targets"],
        weight=weight,
        label=f"{kind} of {node}",
    ),
    st.sampled_from(["mse", "l1", "huber"]),
    st.sampled_from(NODES),
    SHARES,
    st.sampled_from(["mean", "sum"]),
    st.sampled_from([["outputs", "targets"], {"input": "left.outputs", "target": "targets"}]),
)
some_losses = st.lists(losses, min_size=1, max_size=3, unique_by=lambda one: one.label)
active = st.none() | st.lists(st.sampled_from(NODES), min_size=1, unique=True)


def checkpointings(hooks, *, template, modes=("memory", "disk")):
    return st.builds(
        Checkpointing,
        mode=st.sampled_from(modes),
        save_on=st.lists(st.sampled_from(hooks), min_size=1, unique=True),
        every_n=COUNTS,
        directory=st.none() | st.just("checkpoints"),
        name_template=st.none() | st.just(template),
        max_to_keep=st.none() | COUNTS,
        overwrite=st.booleans(),
    )


early_stoppings = st.builds(
    EarlyStopping,
    monitor=LABELS,
    mode=st.sampled_from(["min", "max"]),
    patience=COUNTS,
    min_delta=SHARES,
    restore_best=st.booleans(),
    reducer=st.sampled_from(["mean", "last"]),
    label=st.none() | LABELS,
    execution_order=st.integers(-5, 5),
)
metrics = st.lists(
    st.just(Accuracy()) | st.builds(lambda loss: EvalLossMetric(loss=loss, name="extra"), losses),
    max_size=2,
    unique_by=lambda one: one.name,
)
evaluations = st.builds(
    lambda label, measured, every, at_once: Evaluation(
        eval_phase=EvalPhase(label, input_sources=evaluated("val")),
        metrics=measured,
        every_n_epochs=every,
        run_on_start=at_once,
    ),
    LABELS,
    metrics,
    COUNTS,
    st.booleans(),
)


def evaluated(split=None):
    return [InputBinding.for_evaluation(node=node, split=split) for node in NODES]


@st.composite
def bindings(draw):
    """Each node with a sampler of its own, or both with one."""
    first = draw(samplers)
    second = first if draw(st.booleans()) else draw(samplers)
    return [
        InputBinding.for_training(node=node, sampler=sampler, split="train")
        for node, sampler in zip(NODES, (first, second), strict=True)
    ]


@st.composite
def callbacks(draw):
    return draw(st.lists(early_stoppings, max_size=1)) + draw(st.lists(evaluations, max_size=1))


TRAINING = {
    "input_sources": bindings(),
    "losses": some_losses,
    "n_epochs": COUNTS,
    "active_nodes": active,
    "batch_schedule": st.sampled_from(
        ["zip_strict", "zip_cycle", "alternate_strict", "alternate_cycle"]
    ),
    "callbacks": callbacks(),
    "checkpointing": st.none()
    | checkpointings(["epoch_end", "batch_end", "phase_start"], template="{phase}-{epoch}"),
    "result_recording": st.sampled_from(["all", "last", "none"]),
    "scheduler": st.none() | schedulers,
    "non_finite": st.sampled_from(["stop", "warn", "ignore"]),
    "device": st.sampled_from(["auto", "cpu", "cuda:1"]),
    "accumulate": COUNTS,
    "clip_norm": st.none() | SHARES,
    "clip_value": st.none() | SHARES,
    "precision": st.sampled_from(["float32", "bfloat16", "float16"]),
}
EVALUATING = {
    "input_sources": st.builds(evaluated, st.sampled_from([None, "train", "val"])),
    "losses": st.just([]) | some_losses,
    "active_nodes": active,
    "batch_size": st.none() | COUNTS,
    "callbacks": st.lists(early_stoppings, max_size=1),
    "metrics": metrics,
    "device": st.sampled_from(["auto", "cpu"]),
}
FITTING = {
    "input_sources": st.builds(evaluated, st.just("train")),
    "losses": st.just([]) | some_losses,
    "active_nodes": active,
    "freeze_after_fit": st.booleans(),
    "callbacks": st.lists(early_stoppings, max_size=1),
}
OPTIONS = {TrainPhase: TRAINING, EvalPhase: EVALUATING, FitPhase: FITTING}


@st.composite
def phases(draw, kind=None):
    """A phase and the options that it was made with."""
    made = kind or draw(st.sampled_from(list(OPTIONS)))
    options = {name: draw(strategy) for name, strategy in OPTIONS[made].items()}
    return made(draw(LABELS), **options), options


def groups():
    """Groups in groups, of any phases."""
    leaves = phases().map(lambda drawn: drawn[0])
    return st.recursive(
        st.builds(PhaseGroup, LABELS, st.lists(leaves, max_size=2, unique_by=_label)),
        lambda inner: st.builds(
            PhaseGroup, LABELS, st.lists(inner | leaves, max_size=3, unique_by=_label)
        ),
        max_leaves=4,
    )


def _label(item):
    return item.label


class Counting(ExperimentCallback):
    """With an argument of its own."""

    def __init__(self, *, upto=3, **options):
        super().__init__(**options)
        self.upto = upto

    def get_config(self):
        return {**super().get_config(), "upto": self.upto}


counting = st.builds(
    Counting, upto=st.integers(), label=st.none() | LABELS, execution_order=st.integers(-3, 3)
)
EXPERIMENT = {
    "registration_policy": st.sampled_from(["error", "overwrite", "overwrite_warn"]),
    "checkpointing": st.none()
    | checkpointings(["phase_end", "group_start"], template="at {label}", modes=("disk",)),
    "callbacks": st.lists(counting, max_size=2),
    "seed": st.integers(0, 2**63),
}
