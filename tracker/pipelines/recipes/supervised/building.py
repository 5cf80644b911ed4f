"""The experiment that a supervised configuration describes."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn

from engine.callbacks import Callback, EarlyStopping, EvalLossMetric, Evaluation
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss, Loss
from engine.models import BaseModel
from engine.optimizers import Optimizer, Scheduler
from engine.phases import EvalPhase, FitPhase, TrainPhase
from engine.results.recording import ResultRecording
from engine.samplers import SimpleSampler
from tracker.database.kinds import Goal
from tracker.errors import ComponentError
from tracker.filters.goals import known_goal
from tracker.pipelines.components import Component, locate, make, make_arguments
from tracker.pipelines.recipes.base import Plan, policy_of
from tracker.pipelines.recipes.supervised.datasets import load_data
from tracker.pipelines.recipes.supervised.gradients import GradientNorm
from tracker.pipelines.recipes.supervised.scaling import scale
from tracker.pipelines.recipes.supervised.scores import scores
from tracker.pipelines.recipes.supervised.settings import metric_settings

EPOCHS, BATCH_SIZE, EVAL_BATCH_SIZE = 10, 32, 256
# The patience of who only wants the best epoch back.
NEVER = sys.maxsize
MODEL = "model"


class Builder:
    """Makes the parts of one experiment: the data, the model on it, and its phases."""

    def __init__(self, config: Mapping[str, Any], directory: Path, seed: int) -> None:
        self.config = config
        self.directory = directory
        self.experiment = Experiment(config.get("experiment") or "supervised", seed=seed)
        self.data = load_data(config, directory)
        scale(self.data, config.get("scale") or {}, directory)

    def plan(self) -> Plan:
        model = make(Component.parse(self.config["model"]), self.directory)
        if isinstance(model, BaseEstimator):
            return self._fit(model)
        if isinstance(model, nn.Module | BaseModel):
            return self._train(model)
        raise ComponentError(
            f"{self.config['model']['loc']} made a {type(model).__name__}; a model is a torch"
            " module or a scikit-learn estimator."
        )

    # By one fit

    def _fit(self, estimator: BaseEstimator) -> Plan:
        ModelGraph([self._node(estimator)])
        plan = self.experiment.execution_plan
        plan.add_phase(FitPhase.from_split("fit", split=self.data.parts["train"]))
        if "validate" in self.data.parts:
            plan.add_phase(self._eval("validate", "val"))
        if "test" in self.data.parts:
            plan.add_phase(self._eval("test", "test"))
        return Plan(self.experiment)

    # By gradient steps

    def _train(self, model: Any) -> Plan:
        for key in ("loss", "optimizer"):
            if self.config.get(key) is None:
                raise ComponentError(
                    f"{self.config['model']['loc']} made a torch module, and the setting {key!r} is"
                    " missing, which it is trained with."
                )
        node = self._node(model)
        ModelGraph([node], optimizer=self._optimizer())
        loss = AppliedLoss(self._loss(), on=node, label="loss")
        plan = self.experiment.execution_plan
        plan.add_phase(self._train_phase(loss))
        if "test" in self.data.parts:
            plan.add_phase(self._eval("test", "test", loss))
        strategy = self.config.get("strategy") or {}
        monitor = self._monitor()
        watched = {**strategy, "monitor": monitor, "mode": self._goal(monitor).value}
        return Plan(self.experiment, policy_of(watched), self.config.get("gradients"))

    def _train_phase(self, loss: AppliedLoss) -> TrainPhase:
        batch_size = self.config.get("batch_size", BATCH_SIZE)
        shuffle = self.config.get("shuffle", True)
        return TrainPhase.from_split(
            "train",
            split=self.data.parts["train"],
            sampler=SimpleSampler(batch_size=batch_size, shuffle=shuffle, show_progress=False),
            losses=[loss],
            n_epochs=self.config.get("epochs", EPOCHS),
            callbacks=self._callbacks(loss),
            result_recording=ResultRecording.NONE,
            non_finite=self.config.get("non_finite", "stop"),
            device=self.config.get("device", "auto"),
        )

    def _callbacks(self, loss: AppliedLoss) -> list[Callback]:
        callbacks: list[Callback] = []
        if self.config.get("gradient_norm"):
            callbacks.append(GradientNorm())
        if "validate" in self.data.parts:
            metrics = [EvalLossMetric(loss=loss, name="val_loss"), *self._scores("val")]
            phase = self._eval_phase("val", "validate")
            callbacks.append(Evaluation(eval_phase=phase, metrics=metrics))
        strategy = self.config.get("strategy") or {}
        if strategy.get("patience") is not None or strategy.get("restore_best"):
            monitor = self._monitor()
            callbacks.append(
                EarlyStopping(
                    monitor=monitor,
                    mode=self._goal(monitor).value,
                    # Without patience the best epoch is kept, and nothing is stopped.
                    patience=strategy.get("patience") or NEVER,
                    min_delta=strategy.get("min_delta", 0.0),
                    restore_best=strategy.get("restore_best", False),
                )
            )
        return callbacks

    def _monitor(self) -> str:
        monitor = (self.config.get("strategy") or {}).get("monitor")
        return monitor or ("val_loss" if "validate" in self.data.parts else "train_loss")

    def _goal(self, monitor: str) -> Goal:
        mode = (self.config.get("strategy") or {}).get("mode")
        return Goal(mode) if mode else known_goal(monitor) or Goal.MIN

    def _loss(self) -> Loss:
        component = Component.parse(self.config["loss"])
        target = locate(component.loc, self.directory)
        return Loss(target, loss_kwargs=make_arguments(component, self.directory))

    def _optimizer(self) -> Optimizer:
        component = Component.parse(self.config["optimizer"])
        target = locate(component.loc, self.directory)
        arguments = make_arguments(component, self.directory)
        if isinstance(target, type):
            return Optimizer(target, opt_kwargs=arguments, scheduler=self._scheduler())
        return Optimizer(factory=target, opt_kwargs=arguments, scheduler=self._scheduler())

    def _scheduler(self) -> Scheduler | None:
        setting = self.config.get("scheduler")
        if setting is None:
            return None
        component = Component.parse(setting)
        options = {key: setting[key] for key in ("interval", "monitor") if key in setting}
        return Scheduler(
            locate(component.loc, self.directory),
            make_arguments(component, self.directory),
            **options,
        )

    # Both

    def _node(self, model: Any) -> ModelNode:
        data = self.data
        reference = data.feature_set.reference(
            features=data.features, targets=data.targets, tags=[]
        )
        return ModelNode(MODEL, model, upstream_ref=reference)

    def _eval(self, part: str, prefix: str, loss: AppliedLoss | None = None) -> EvalPhase:
        phase = self._eval_phase(prefix, part)
        if loss is not None:
            phase.require_losses([loss])
        for score in self._scores(prefix):
            phase.attach_metric(score)
        return phase

    def _eval_phase(self, label: str, part: str) -> EvalPhase:
        return EvalPhase.from_split(
            label,
            split=self.data.parts[part],
            batch_size=self.config.get("eval_batch_size", EVAL_BATCH_SIZE),
            device=self.config.get("device", "auto"),
        )

    def _scores(self, prefix: str) -> list[Any]:
        scaled = (self.config.get("scale") or {}).get("target") is not None
        metrics = metric_settings(self.config)
        return scores(metrics, prefix, self.directory, scaled_target=scaled)
