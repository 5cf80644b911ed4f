"""One object, or some, of every class that can be saved; each as a script would make it."""

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from torch import nn

from engine import callbacks, losses, models, optimizers, samplers, scalers, splitters
from engine.features import FeatureSet
from engine.graph import ModelNode
from engine.phases import EvalPhase, InputBinding
from engine.phases.snapshot import Snapshot

DATA = np.random.default_rng(0).normal(3, 2, size=(30, 5))
CLASSES = np.arange(30) % 3
NEAR = samplers.SimilarityCondition(tolerance=0.5)


def stepped(optimizer):
    """The optimizer after three steps, its schedule with it."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.ones(3))
    optimizer.build(parameters=[weight])
    for _ in range(3):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
        optimizer.end_epoch({"val_loss": 1.0})
    return optimizer


def decaying(**kwargs):
    return optimizers.Scheduler("StepLR", {"step_size": 2, "gamma": 0.5}, **kwargs)


def built(model, *shapes):
    torch.manual_seed(1)
    model.build(*shapes)
    return model


def fitted_model(estimator, method="fit", **options):
    model = models.ScikitModelWrapper(estimator, **options)
    model.build((5,), (1,))
    getattr(model, method)(DATA, CLASSES)
    return model


def frozen_half():
    model = built(models.SequentialMLP(n_layers=2, dropout=0.5), (4,), (2,))
    model.layers[1].requires_grad_(requires_grad=False)
    model.layers[0].eval()
    return model


def stopping():
    callback = callbacks.EarlyStopping(monitor="mse", patience=3, restore_best=True)
    state = {"best_epoch": 2, "best_value": 0.5, "stopped_epoch": None, "waited": 1}
    callback.set_state(state)
    weights = {"net": {"weight": torch.ones(2, 3), "steps": torch.tensor(4)}}
    callback.set_snapshot(Snapshot(weights, epoch=2, value=0.5))
    return callback


def applied():
    loss = losses.Loss("cross_entropy", loss_kwargs={"weight": torch.tensor([1.0, 2.0])})
    return losses.AppliedLoss(loss, "net", ["outputs", "targets"], weight=0.5, label="ce")


def surroundings():
    """What an evaluation evaluates, in the active context."""
    data = FeatureSet.from_dict("data", {"x": DATA, "y": DATA[:, 0]}, "x", "y")
    data.split_random({"train": 0.5, "val": 0.5})
    ModelNode("net", models.SequentialMLP(), data)


def evaluation():
    source = InputBinding.for_evaluation(node="net", split="val")
    phase = EvalPhase("check", input_sources=[source], losses=[applied()])
    metrics = [callbacks.Accuracy(), callbacks.F1Score(average="micro")]
    return callbacks.Evaluation(eval_phase=phase, every_n_epochs=2, metrics=metrics)


KINDS = {
    splitters.RandomSplitter: {
        "random": lambda: splitters.RandomSplitter({"a": 0.5, "b": 0.5}, group_by="g", seed=4),
    },
    splitters.ConditionSplitter: {
        "condition": lambda: splitters.ConditionSplitter(low={"x": [1, 2.5]}, high={"y": "a"}),
    },
    samplers.SimpleSampler: {
        "simple": lambda: samplers.SimpleSampler(batch_size=4, shuffle=True, seed=3),
    },
    samplers.NSampler: {"n": lambda: samplers.NSampler({"near": {"x": NEAR}}, batch_size=2)},
    samplers.PairedSampler: {"paired": lambda: samplers.PairedSampler({"x": NEAR})},
    samplers.TripletSampler: {
        "triplet": lambda: samplers.TripletSampler({"x": NEAR}, {"y": NEAR}, seed=5),
    },
    scalers.Scaler: {
        "known": lambda: scalers.Scaler("StandardScaler").fit(DATA),
        "unfitted": lambda: scalers.Scaler("MinMaxScaler", {"feature_range": (-1, 1)}),
        "nested": lambda: scalers.Scaler(
            "SegmentedScaler", {"boundaries": [0, 2], "scaler": "RobustScaler"}
        ).fit(DATA),
        "another": lambda: scalers.Scaler(PolynomialFeatures(1, include_bias=False)).fit(DATA),
    },
    models.SequentialMLP: {
        "mlp": lambda: built(models.SequentialMLP(hidden_dim=5), (4,), (2,)),
        "unbuilt": lambda: models.SequentialMLP(output_shape=(2,)),
        "frozen": frozen_half,
    },
    models.SequentialCNN: {"cnn": lambda: built(models.SequentialCNN(), (1, 8), (3,))},
    models.TorchModelWrapper: {
        "class": lambda: built(
            models.TorchModelWrapper(
                model_class=nn.TransformerEncoderLayer,
                model_kwargs={"d_model": 4, "nhead": 2, "activation": nn.functional.gelu},
            )
        ),
        "lazy class": lambda: models.TorchModelWrapper(model_class=nn.Flatten),
        "made": lambda: models.wrap_model(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))),
    },
    models.ScikitModelWrapper: {
        "fitted": lambda: fitted_model(LinearRegression()),
        "partly": lambda: fitted_model(
            SGDClassifier(random_state=np.random.RandomState(3)),
            "partial_fit",
            partial_fit_kwargs={"classes": [0, 1, 2]},
        ),
        "pipeline": lambda: fitted_model(make_pipeline(PolynomialFeatures(2), LinearRegression())),
        "unfitted": lambda: models.wrap_model(LinearRegression(positive=True)),
    },
    losses.Loss: {
        "named": lambda: losses.Loss("huber", loss_kwargs={"delta": 0.5}, reduction="sum"),
        "class": lambda: losses.Loss(
            nn.TripletMarginWithDistanceLoss,
            loss_kwargs={"distance_function": nn.functional.pairwise_distance},
        ),
        "function": lambda: losses.Loss(nn.functional.l1_loss, match_shapes=False),
        "made": lambda: losses.Loss(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))),
        "factory": lambda: losses.Loss(factory=nn.MSELoss, loss_kwargs={"reduction": "none"}),
    },
    losses.AppliedLoss: {"applied": applied},
    optimizers.Optimizer: {
        "named": lambda: stepped(optimizers.Optimizer("adam", opt_kwargs={"lr": 0.1})),
        "scheduled": lambda: stepped(optimizers.Optimizer(torch.optim.SGD, scheduler=decaying())),
        "unbuilt": lambda: optimizers.Optimizer("rmsprop", scheduler=decaying(interval="step")),
        "factory": lambda: stepped(optimizers.Optimizer(factory=torch.optim.NAdam)),
    },
    optimizers.Scheduler: {
        "steps": decaying,
        "plateau": lambda: (
            stepped(
                optimizers.Optimizer(
                    "sgd",
                    scheduler=optimizers.Scheduler("ReduceLROnPlateau", monitor="val_loss"),
                )
            ).scheduler
        ),
    },
    callbacks.Callback: {"callback": lambda: callbacks.Callback("mine", execution_order=3)},
    callbacks.MetricCallback: {"metric": lambda: callbacks.MetricCallback(name="norm")},
    callbacks.EarlyStopping: {"stopping": stopping},
    callbacks.Evaluation: {"evaluation": evaluation},
    callbacks.ExperimentCallback: {
        "experiment": lambda: callbacks.ExperimentCallback(label="mine", execution_order=2),
    },
    callbacks.ScoreMetric: {
        "score": lambda: callbacks.ScoreMetric(
            balanced_accuracy_score, node="net", name="balanced", adjusted=True
        ),
    },
    callbacks.EvalLossMetric: {
        "loss": lambda: callbacks.EvalLossMetric(loss=applied(), reducer="sum"),
    },
    callbacks.Accuracy: {"accuracy": lambda: callbacks.Accuracy("net", threshold=0.5)},
    callbacks.F1Score: {"f1": lambda: callbacks.F1Score(average="micro")},
    callbacks.MeanSquaredError: {"mse": lambda: callbacks.MeanSquaredError(unscale=True)},
    callbacks.RootMeanSquaredError: {"rmse": lambda: callbacks.RootMeanSquaredError(name="x")},
    callbacks.MeanAbsoluteError: {"mae": callbacks.MeanAbsoluteError},
    callbacks.R2Score: {"r2": callbacks.R2Score},
}
CASES = {
    f"{kind.__name__}-{name}": make for kind, made in KINDS.items() for name, make in made.items()
}
KIND_OF = {f"{kind.__name__}-{name}": kind for kind, made in KINDS.items() for name in made}
