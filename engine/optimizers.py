"""Optimizers and learning rate schedules: described first, made when the parameters are known."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal, Self

import torch

from engine.errors import (
    CheckpointError,
    OptimizerError,
    OptimizerNotSetError,
    UnknownMetricError,
    did_you_mean,
)
from engine.models.backend import Backend
from engine.saving import Savable, locate, location_of

Interval = Literal["epoch", "step"]
OptimizerClass = type[torch.optim.Optimizer]
_PLATEAU = torch.optim.lr_scheduler.ReduceLROnPlateau


class Scheduler(Savable):
    """Changes an optimizer's learning rate after each epoch, or after each step.

    `scheduler` is a name or a class of `torch.optim.lr_scheduler`, or a function that makes one
    from the optimizer. `monitor` is the metric that ReduceLROnPlateau looks at.
    """

    saved_as = "scheduler"

    def __init__(
        self,
        scheduler: str | type | Callable[[torch.optim.Optimizer], Any],
        kwargs: Mapping[str, Any] | None = None,
        *,
        interval: Interval = "epoch",
        monitor: str | None = None,
    ) -> None:
        if interval not in ("epoch", "step"):
            raise OptimizerError(f"A scheduler's interval is 'epoch' or 'step', not {interval!r}.")
        self._make = _find_scheduler(scheduler)
        self.kwargs = dict(kwargs or {})
        self.interval = interval
        self.monitor = monitor
        self.instance: Any = None
        self._pending: Mapping[str, Any] | None = None
        _check_arguments(self._make, self.kwargs, given=1)
        if self._make is _PLATEAU and (monitor is None or interval != "epoch"):
            raise OptimizerError(
                "ReduceLROnPlateau looks at a metric after each epoch; name it with "
                "monitor='val_loss'."
            )

    @property
    def name(self) -> str:
        return str(getattr(self._make, "__name__", self._make))

    @property
    def is_built(self) -> bool:
        return self.instance is not None

    def build(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the schedule for this optimizer, anew."""
        self.instance = self._make(optimizer, **self.kwargs)
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_state(pending)

    def end_step(self) -> None:
        """An optimizer step was done."""
        if self.interval == "step":
            self.instance.step()

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """An epoch was trained, with these metrics."""
        if self.interval == "step":
            return
        if self.monitor is None:
            self.instance.step()
        elif self.monitor not in metrics:
            raise UnknownMetricError(self.monitor, metrics)
        else:
            self.instance.step(float(metrics[self.monitor]))

    def get_state(self) -> dict[str, Any]:
        """Where the schedule stands, in plain values."""
        if self.instance is None:
            return dict(self._pending or {})
        state: dict[str, Any] = _plain(self.instance.state_dict())
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_state` gave; before `build`, then."""
        if self.instance is None:
            self._pending = dict(state)
            return
        own = self.instance.state_dict()
        if own.keys() != state.keys():
            raise CheckpointError(f"The state is not one of a {self.name}.")
        self.instance.load_state_dict(_restored(own, state))

    def get_config(self) -> dict[str, Any]:
        return {
            "scheduler": location_of(self._make),
            "kwargs": dict(self.kwargs),
            "interval": self.interval,
            "monitor": self.monitor,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Imports the class that the configuration names."""
        return cls(**{**config, "scheduler": locate(config["scheduler"])})

    def __repr__(self) -> str:
        return f"Scheduler({self.name})"


class Optimizer(Savable):
    """An optimizer by name, by class, or made by a factory from the parameters.

    Names are those of `torch.optim`, in any case.
    """

    saved_as = "optimizer"

    def __init__(
        self,
        opt: str | OptimizerClass | None = None,
        *,
        opt_kwargs: Mapping[str, Any] | None = None,
        factory: Callable[..., torch.optim.Optimizer] | None = None,
        backend: Backend | str | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        if (opt is None) == (factory is None):
            raise OptimizerError("Give either an optimizer's name or class, or a factory.")
        self.cls: OptimizerClass | None = None if opt is None else _find_optimizer(opt)
        self.factory = factory
        self.kwargs = dict(opt_kwargs or {})
        self.scheduler = scheduler
        self.instance: torch.optim.Optimizer | None = None
        self.parameters: list[torch.nn.Parameter] = []
        self._pending: Mapping[str, Any] | None = None
        self._plain_zero_grad = False
        # What an earlier instance knew, by parameter.
        self._carried: dict[torch.Tensor, Any] = {}
        if backend is not None and Backend.from_value(backend) is not Backend.TORCH:
            raise OptimizerError(f"Optimizers are torch's; {backend!r} models need none.")
        if self.cls is not None:
            _check_arguments(self.cls, self.kwargs, given=1)

    @classmethod
    def from_factory(
        cls, factory: Callable[..., torch.optim.Optimizer], *, backend: Backend | str | None = None
    ) -> "Optimizer":
        return cls(factory=factory, backend=backend)

    @property
    def name(self) -> str | None:
        return None if self.cls is None else self.cls.__name__.lower()

    @property
    def backend(self) -> Backend:
        return Backend.TORCH

    @property
    def is_built(self) -> bool:
        return self.instance is not None

    def build(
        self,
        *,
        parameters: Iterable[torch.nn.Parameter] | None = None,
        backend: Backend | str | None = None,
        force_rebuild: bool = False,
    ) -> None:
        """Make the optimizer of these parameters; anew only with `force_rebuild`."""
        if backend is not None and Backend.from_value(backend) is not Backend.TORCH:
            raise OptimizerError(f"Optimizers are torch's, not {backend!r}'s.")
        if self.is_built and not force_rebuild:
            raise OptimizerError("The optimizer is built already; pass force_rebuild=True.")
        self.parameters = list(parameters or [])
        if not self.parameters:
            raise OptimizerNotSetError(f"{self!r} was given no parameters to train.")
        make = self.cls or self.factory
        assert make is not None  # noqa: S101 - the constructor asked for one of them
        made = make(self.parameters, **self.kwargs)
        if not isinstance(made, torch.optim.Optimizer):
            raise OptimizerError(f"The factory {self.factory!r} made {made!r}, not an optimizer.")
        self.instance = made
        self._plain_zero_grad = type(made).zero_grad is torch.optim.Optimizer.zero_grad
        for parameter in self.parameters:
            if parameter in self._carried:
                made.state[parameter] = self._carried[parameter]
        self._carried = {}
        if self.scheduler is not None:
            self.scheduler.build(made)
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_state(pending)

    def attach_scheduler(self, scheduler: Scheduler | None) -> None:
        """Follow this schedule from now on."""
        self.scheduler = scheduler
        if scheduler is not None and self.instance is not None:
            scheduler.build(self.instance)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        built = self.built
        if not self._plain_zero_grad:
            built.zero_grad(set_to_none=True)
            return
        # What torch does, without the profiler's marks, which cost more than the work.
        for group in built.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self, scaler: "torch.amp.GradScaler | None" = None) -> None:
        """One step, and one of the schedule if that counts steps.

        With a scaler of gradients, a step whose gradients have overflowed is left out.
        """
        if scaler is None:
            self.built.step()
        else:
            scaler.step(self.built)
            scaler.update()
        if self.scheduler is not None:
            self.scheduler.end_step()

    def end_epoch(self, metrics: Mapping[str, float] | None = None) -> None:
        """Tell the schedule that an epoch was trained, with these metrics."""
        if self.scheduler is not None:
            self.scheduler.end_epoch(metrics or {})

    def keep_moments(self) -> None:
        """Be built anew on the next `build`, with what is known of the parameters that stay."""
        if self.instance is None:
            return
        self._carried = dict(self.instance.state)
        self.instance = None

    def move_state(self) -> None:
        """Move the moments to where the parameters are now."""
        built = self.built
        built.load_state_dict(built.state_dict())

    def get_state(self) -> dict[str, Any]:
        """Moments, groups and schedule. Shares memory with the optimizer; copy it to keep it."""
        if self.instance is None:
            return dict(self._pending or {"optimizer": None, "scheduler": None})
        scheduler = self.scheduler
        return {
            "optimizer": self.instance.state_dict(),
            "scheduler": None if scheduler is None else scheduler.get_state(),
        }

    def set_state(self, state: Mapping[str, Any], *, copy: bool = True) -> None:
        """Take over what `get_state` gave; before `build`, then.

        Without `copy` training goes on in the memory of `state`, which is nobody else's then.
        """
        if self.instance is None:
            self._pending = dict(state)
            return
        if state["optimizer"] is None:
            return
        self.check_state(state)
        # torch takes over the very tensors that it is given.
        self.instance.load_state_dict(deepcopy(state["optimizer"]) if copy else state["optimizer"])
        # The steps were done before: torch would warn of a schedule that moves without one.
        self.instance.__dict__["_opt_called"] = True
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.set_state(state["scheduler"])

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Refuse a state that does not fit, before anything has changed."""
        if state["optimizer"] is None or self.instance is None:
            return
        own = [len(group["params"]) for group in self.instance.param_groups]
        saved = [len(group["params"]) for group in state["optimizer"]["param_groups"]]
        if own != saved:
            raise CheckpointError(
                f"The optimizer's state is for {saved} parameters, and this one has {own}."
            )

    def get_config(self) -> dict[str, Any]:
        """Raises PackagedCodeError for a factory that cannot be found by name."""
        made_by = self.cls or self.factory
        return {
            "opt" if self.cls else "factory": location_of(made_by),
            "opt_kwargs": dict(self.kwargs),
            "scheduler": self.scheduler and self.scheduler.get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Imports the class that the configuration names."""
        arguments = dict(config)
        for name in ("opt", "factory"):
            if name in arguments:
                arguments[name] = locate(arguments[name])
        if arguments["scheduler"] is not None:
            arguments["scheduler"] = Scheduler.from_config(arguments["scheduler"])
        return cls(**arguments)

    @property
    def built(self) -> torch.optim.Optimizer:
        """Torch's own optimizer; OptimizerNotSetError before the graph is built."""
        if self.instance is None:
            raise OptimizerNotSetError(f"{self!r} is not built yet; build the graph first.")
        return self.instance

    def __repr__(self) -> str:
        made_by = self.cls or self.factory
        return f"Optimizer({getattr(made_by, '__name__', made_by)})"


def _find_optimizer(opt: str | OptimizerClass) -> OptimizerClass:
    found = _by_name(torch.optim, opt, torch.optim.Optimizer) if isinstance(opt, str) else opt
    if not isinstance(found, type):
        raise TypeError(f"An optimizer is given by its name or class, not as {opt!r}.")
    if not issubclass(found, torch.optim.Optimizer):
        raise OptimizerError(f"{opt!r} is not an optimizer's name or class.")
    if found is torch.optim.LBFGS:
        raise OptimizerError("LBFGS runs the model several times a step, which steps here do not.")
    return found


def _find_scheduler(scheduler: str | type | Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(scheduler, str):
        base = torch.optim.lr_scheduler.LRScheduler
        found: Callable[..., Any] = _by_name(torch.optim.lr_scheduler, scheduler, base)
        return found
    if not callable(scheduler):
        raise OptimizerError(f"{scheduler!r} is not a scheduler's name or class, nor a function.")
    return scheduler


def _by_name(module: Any, name: str, base: type) -> Any:
    known = {
        text.lower(): value
        for text, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    plain = name.lower().replace("_", "").replace("-", "")
    if plain not in known:
        kind = "scheduler" if module is torch.optim.lr_scheduler else "optimizer"
        raise OptimizerError(f"torch has no {kind} {name!r}.{did_you_mean(plain, known)}")
    return known[plain]


def _check_arguments(make: Callable[..., Any], kwargs: Mapping[str, Any], *, given: int) -> None:
    """Refuse arguments that `make` does not take, and miss those it cannot do without."""
    name = getattr(make, "__name__", repr(make))
    try:
        parameters = inspect.signature(make).parameters
        inspect.signature(make).bind(*[None] * given, **kwargs)
    except TypeError as error:
        unknown = [argument for argument in kwargs if argument not in parameters]
        hint = did_you_mean(unknown[0], list(parameters)[given:]) if unknown else ""
        raise OptimizerError(f"{name}: {error}.{hint}") from error


def _plain(value: Any) -> Any:
    """Without Counter, which MultiStepLR counts its milestones with and no file can hold."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _restored(own: Any, saved: Any) -> Any:
    """A copy of the saved values, with a Counter wherever the schedule itself has one."""
    if isinstance(own, Counter):
        return Counter(saved)
    if isinstance(own, Mapping):
        return {key: _restored(own.get(key), inner) for key, inner in saved.items()}
    if isinstance(own, list) and len(own) == len(saved):
        return [_restored(mine, theirs) for mine, theirs in zip(own, saved, strict=True)]
    return deepcopy(saved)
