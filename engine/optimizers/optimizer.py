"""Optimizers: described first, made when the parameters are known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

import torch

from engine.errors import CheckpointError, OptimizerError, OptimizerNotSetError
from engine.models.backend import Backend
from engine.optimizers.names import by_name, check_arguments
from engine.optimizers.scheduler import Scheduler, checked_scheduler
from engine.saving import Savable, locate, location_of

OptimizerClass = type[torch.optim.Optimizer]


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
        self.scheduler = checked_scheduler(scheduler)
        self.instance: torch.optim.Optimizer | None = None
        self.parameters: list[torch.nn.Parameter] = []
        self._pending: Mapping[str, Any] | None = None
        # The nodes that it was built for by a graph.
        self._nodes: tuple[Any, ...] = ()
        self._plain_zero_grad = False
        # What an earlier instance knew, by parameter.
        self._carried: dict[torch.Tensor, Any] = {}
        if backend is not None and Backend.from_value(backend) is not Backend.TORCH:
            raise OptimizerError(f"Optimizers are torch's; {backend!r} models need none.")
        if self.cls is not None:
            check_arguments(self.cls, self.kwargs, given=1)

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
        nodes: Sequence[Any] = (),
    ) -> None:
        """Make the optimizer of these parameters, which are those of `nodes`.

        Anew only with `force_rebuild`, and then for the same nodes.
        """
        if backend is not None and Backend.from_value(backend) is not Backend.TORCH:
            raise OptimizerError(f"Optimizers are torch's, not {backend!r}'s.")
        if self.is_built and not force_rebuild:
            raise OptimizerError("The optimizer is built already; pass force_rebuild=True.")
        self.check_free(nodes)
        if self.scheduler is not None:
            self.scheduler.check_free(self)
        self.parameters = list(parameters or [])
        if not self.parameters:
            raise OptimizerNotSetError(f"{self!r} was given no parameters to train.")
        make = self.cls or self.factory
        assert make is not None  # noqa: S101 - the constructor asked for one of them
        made = make(self.parameters, **self.kwargs)
        if not isinstance(made, torch.optim.Optimizer):
            raise OptimizerError(f"The factory {self.factory!r} made {made!r}, not an optimizer.")
        self.instance = made
        self._nodes = tuple(nodes)
        self._plain_zero_grad = type(made).zero_grad is torch.optim.Optimizer.zero_grad
        for parameter in self.parameters:
            if parameter in self._carried:
                made.state[parameter] = self._carried[parameter]
        self._carried = {}
        if self.scheduler is not None:
            self._engage(self.scheduler)
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_state(pending)

    def check_free(self, nodes: Sequence[Any]) -> None:
        """OptimizerError if it trains others than these nodes."""
        if self.instance is None or not self._nodes:
            return
        if not all(any(node is known for known in self._nodes) for node in nodes):
            trained, wanted = (
                ", ".join(repr(one.label) for one in each) for each in (self._nodes, nodes)
            )
            raise OptimizerError(
                f"{self!r} trains other nodes already ({trained}), and cannot train {wanted} as "
                "well: make an Optimizer for each graph, or for each node that has one of its own."
            )

    def attach_scheduler(self, scheduler: Scheduler | None) -> None:
        """Follow this schedule from now on; one that cannot be made leaves all as it was."""
        if scheduler is not None:
            scheduler.check_free(self)
            if self.instance is not None:
                self._engage(scheduler)
        if self.scheduler is not None and self.scheduler is not scheduler:
            self.scheduler.belong_to(None)
        self.scheduler = scheduler

    def _engage(self, scheduler: Scheduler) -> None:
        scheduler.build(self.built)
        scheduler.belong_to(self)

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
        self.instance, self._nodes = None, ()

    def move_state(self) -> None:
        """Move the moments to where the parameters are now."""
        built = self.built
        built.load_state_dict(built.state_dict())

    def get_state(self) -> dict[str, Any]:
        """Moments, groups and schedule. Shares memory with the optimizer; copy it to keep it."""
        if self.instance is None:
            return dict(self._pending or {"kind": None, "optimizer": None, "scheduler": None})
        scheduler = self.scheduler
        return {
            "kind": type(self.instance).__name__,
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
        self._check_kind(state)
        own = [len(group["params"]) for group in self.instance.param_groups]
        saved = [len(group["params"]) for group in state["optimizer"]["param_groups"]]
        if own != saved:
            raise CheckpointError(
                f"The optimizer's state is for {saved} parameters, and this one has {own}."
            )

        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.check_state(state["scheduler"])

    def _check_kind(self, state: Mapping[str, Any]) -> None:
        built = self.built
        here = type(built).__name__
        # Files of before the kind was noted tell it by the settings of the groups.
        saved, groups = state.get("kind"), state["optimizer"]["param_groups"]
        if saved is not None:
            fits = saved == here
        else:
            saved, fits = "another kind", all(built.defaults.keys() <= one.keys() for one in groups)
        if not fits:
            raise CheckpointError(
                f"The optimizer's state is one of {saved} and does not fit the {here} here."
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
    found = by_name(torch.optim, opt, torch.optim.Optimizer) if isinstance(opt, str) else opt
    if not isinstance(found, type):
        raise TypeError(f"An optimizer is given by its name or class, not as {opt!r}.")
    if not issubclass(found, torch.optim.Optimizer):
        raise OptimizerError(f"{opt!r} is not an optimizer's name or class.")
    if found is torch.optim.LBFGS:
        raise OptimizerError("LBFGS runs the model several times a step, which steps here do not.")
    return found
