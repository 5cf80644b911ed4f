"""A node that holds a model."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, overload

import torch

from engine.batches import Batch, RoleData, SampleData
from engine.errors import FrozenNodeError, GraphError, OptimizerNotSetError
from engine.graph.conversion import as_list, as_shape, to_numpy, to_torch
from engine.graph.node import (
    ComputeNode,
    Upstream,
    describe_reference,
    rebuild_reference,
)
from engine.models import BaseModel, wrap_model
from engine.models.backend import Backend
from engine.models.base import Shape
from engine.optimizers import Optimizer
from engine.saving import dtype_named

if TYPE_CHECKING:
    from engine.batches import ExecutionContext
    from engine.losses import AppliedLoss


class ModelNode(ComputeNode):
    """One model in the graph: a torch module or a scikit-learn estimator, with its input.

    An optimizer of its own is used where the graph has none. Parameters that do not require
    gradients when the node is built are left alone by `freeze` and `unfreeze`.
    """

    max_upstream_refs = 1

    def __init__(
        self,
        label: str,
        model: BaseModel | Any,
        upstream_ref: Upstream,
        optimizer: Optimizer | None = None,
        *,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        self._model = wrap_model(model)
        if optimizer is not None and self._model.backend is not Backend.TORCH:
            raise OptimizerNotSetError(
                f"Node {label!r} holds a {self._model.backend.value} model; optimizers are torch's."
            )
        self._optimizer = optimizer
        self._frozen = False
        self._shapes: tuple[Shape | None, Shape | None] = (None, None)
        # What the module's first layer computes in, where that differs from its input.
        self._input_type: torch.dtype | None = None
        self._modules: list[torch.nn.Module] = []
        self._trainable: list[torch.nn.Parameter] = []
        super().__init__(label, [upstream_ref], node_id=node_id, register=register)

    @property
    def model(self) -> BaseModel:
        return self._model

    @property
    def model_name(self) -> str:
        return self._model.class_name

    @property
    def n_parameters(self) -> int | None:
        """How many numbers the torch module learns or has learned; None if there is none yet."""
        if not self.is_torch or not self._model.is_built:
            return None
        return sum(one.numel() for one in self.module.parameters())

    @property
    def module(self) -> torch.nn.Module:
        """The torch module; a GraphError for models of another backend."""
        if self.backend is not Backend.TORCH:
            raise GraphError(
                f"Node {self.label!r} holds a {self.backend.value} model, not one of torch."
            )
        module: torch.nn.Module = self._model.module  # type: ignore[attr-defined]  # torch models have one
        return module

    @property
    def optimizer(self) -> Optimizer | None:
        return self._optimizer

    @property
    def backend(self) -> Backend:
        return self._model.backend

    @property
    def is_torch(self) -> bool:
        return self.backend is Backend.TORCH

    @property
    def input_shape(self) -> Shape | None:
        return self._shapes[0]

    @property
    def output_shape(self) -> Shape | None:
        return self._shapes[1]

    @property
    def is_built(self) -> bool:
        return self._shapes[0] is not None and self._model.is_built

    # Building

    def build_model(
        self,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Make the model for these shapes of a sample; a built one stays, unless `force`."""
        self._model.build(input_shape, output_shape, force=force)
        self._shapes = (
            input_shape or self._model.input_shape,
            output_shape or self._model.output_shape,
        )
        self.adopt(again=force)

    build = build_model

    def set_output_shape(self, shape: Shape | None, input_type: torch.dtype | None) -> None:
        """Note what the model was seen to give, and the type it was seen to need."""
        self._shapes = (self._shapes[0], shape)
        self._input_type = input_type

    def adopt(self, *, again: bool = False) -> None:
        """Look at what there is to train, once there is a module."""
        if not self.is_torch or not self._model.is_built or (self._modules and not again):
            return
        self._modules = list(self.module.modules())
        self._trainable = [one for one in self.module.parameters() if one.requires_grad]
        if self._frozen:
            self._apply_frozen()

    def get_build(self) -> dict[str, Any]:
        """What it was built for, as plain values: all that its data said."""
        model = self._model
        trained = set(map(id, self._trainable))
        parameters = self.module.named_parameters() if self.is_torch else ()
        return {
            "model": [as_list(model.input_shape), as_list(model.output_shape)],
            "node": [as_list(shape) for shape in self._shapes],
            "input_type": self._input_type and str(self._input_type).removeprefix("torch."),
            # Those that nobody trains, frozen or not.
            "fixed": [name for name, one in parameters if id(one) not in trained],
        }

    def set_build(self, built: Mapping[str, Any]) -> None:
        """Be built for what `get_build` gave."""
        self._model.build(*map(as_shape, built["model"]))
        self._shapes = (as_shape(built["node"][0]), as_shape(built["node"][1]))
        kind = built["input_type"]
        self._input_type = None if kind is None else dtype_named(kind)
        if self.is_torch:
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(name not in built["fixed"])
        self.adopt(again=True)

    # Frozen and training states

    @property
    def is_frozen(self) -> bool:
        return self._frozen

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """What training may change while the node is not frozen."""
        return list(self._trainable)

    def freeze(self) -> None:
        """Neither gradients nor fits change the model from here on; dropout and such are off."""
        self._frozen = True
        self._apply_frozen()

    def unfreeze(self) -> None:
        self._frozen = False
        self._apply_frozen()

    def _apply_frozen(self) -> None:
        if not self._modules:
            return
        for parameter in self._trainable:
            parameter.requires_grad_(not self._frozen)
        self.module.train(not self._frozen)

    def get_mode(self) -> dict[str, Any]:
        """Whether frozen, and each module's training mode; one value where all have the same."""
        modes = [module.training for module in self._modules]
        uniform = len(set(modes)) <= 1
        return {
            "frozen": self._frozen,
            "training": (modes[0] if modes else not self._frozen) if uniform else modes,
        }

    def set_mode(self, mode: Mapping[str, Any]) -> None:
        """Put back what `get_mode` gave."""
        if mode["frozen"] != self._frozen:
            self._frozen = mode["frozen"]
            self._apply_frozen()
        training = mode["training"]
        if isinstance(training, bool):
            training = [training] * len(self._modules)
        for module, flag in zip(self._modules, training, strict=True):
            if module.training != flag:
                module.training = flag

    # Computing

    def compute(self, inputs: list[Any]) -> Any:
        return self.runner()(inputs[0])

    def runner(self) -> Callable[..., Any]:
        """A function from a batch in any form to the model's output, decided once."""
        if not self.is_torch:
            model = self._model
            return lambda values, **options: model.forward(to_numpy(values), **options)
        module, kind = self.module, self._input_type

        def run(values: Any, **options: Any) -> Any:
            if type(values) is not torch.Tensor:
                values = to_torch(values, module)
            return module(values, **options)

        def cast(values: Any, **options: Any) -> Any:
            return module(to_torch(values, module).to(kind), **options)

        return run if kind is None else cast

    @overload
    def forward_single(self, batch: Batch, **options: Any) -> Batch: ...
    @overload
    def forward_single(self, batch: RoleData, **options: Any) -> RoleData: ...
    @overload
    def forward_single(self, batch: SampleData, **options: Any) -> SampleData: ...
    @overload
    def forward_single(self, batch: Any, **options: Any) -> Any: ...
    def forward_single(self, batch: Any, **options: Any) -> Any:
        """The output in the form of the input: a batch, its roles, samples, or a bare array.

        Options are arguments of the model's own `forward`.
        """
        if isinstance(batch, Batch):
            return batch.with_roles(self.forward_single(batch.role_data, **options))
        if isinstance(batch, RoleData):
            return RoleData(
                {role: self.forward_single(data, **options) for role, data in batch.items()}
            )
        run = self.runner()
        if isinstance(batch, SampleData):
            return SampleData.output(run(batch.features, **options), batch)
        return run(batch, **options)

    __call__ = forward_single

    # Steps of this node alone

    def train_step(self, ctx: "ExecutionContext", losses: "list[AppliedLoss]") -> Any:
        """One step with the node's own optimizer; what comes before must be in the context."""
        if self._frozen:
            raise FrozenNodeError(f"Node {self.label!r} is frozen; unfreeze it to train it.")
        if self._optimizer is None and self.is_torch:
            raise OptimizerNotSetError(f"Node {self.label!r} has no optimizer of its own.")
        return self._step("TrainStep", ctx, losses)

    def eval_step(self, ctx: "ExecutionContext", losses: "list[AppliedLoss] | None" = None) -> Any:
        """Outputs and losses of this node, with nothing left changed."""
        return self._step("EvalStep", ctx, losses or [])

    def fit_step(self, ctx: "ExecutionContext", losses: "list[AppliedLoss] | None" = None) -> Any:
        """Fit the estimator on all that is in the context, then compute its outputs."""
        if self._frozen:
            raise FrozenNodeError(f"Node {self.label!r} is frozen; unfreeze it to fit it.")
        return self._step("FitStep", ctx, losses or [])

    def _step(self, kind: str, ctx: "ExecutionContext", losses: "list[AppliedLoss]") -> Any:
        from engine.graph import single  # noqa: PLC0415 - steps are made of nodes

        return single.run(kind, self, ctx, losses)

    def _facts(self) -> dict[str, str]:
        optimizer = "the graph's" if self._optimizer is None else repr(self._optimizer)
        return {
            "model": repr(self._model).partition("\n")[0].removesuffix("("),
            "input": "not built" if self.input_shape is None else str(self.input_shape),
            **super()._facts(),
            **({"optimizer": optimizer} if self.is_torch else {}),
            "state": "frozen" if self._frozen else "trainable",
        }

    # State and configuration

    def get_state(self) -> dict[str, Any]:
        """All that training changes. Shares memory with the node; copy it to keep it."""
        return {
            "model": self._model.get_state(),
            "optimizer": self._optimizer and self._optimizer.get_state(),
            "mode": self.get_mode(),
        }

    def set_state(self, state: Mapping[str, Any], *, copy: bool = True) -> None:
        """Take over what `get_state` gave; without `copy`, moments too are the state's own."""
        self._model.set_state(state["model"])
        if self._optimizer is not None and state["optimizer"] is not None:
            self._optimizer.set_state(state["optimizer"], copy=copy)
        self.set_mode(state["mode"])

    def get_config(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "model": self._model.get_config(),
            "upstream_ref": describe_reference(self.get_upstream_refs()[0]),
            "optimizer": self._optimizer and self._optimizer.get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> Self:
        """An equal node without what was learned; imports the classes that are named."""
        upstream = rebuild_reference(config["upstream_ref"])
        optimizer = config["optimizer"] and Optimizer.from_config(config["optimizer"])
        model = BaseModel.from_config(config["model"])
        return cls(config["label"], model, upstream, optimizer, register=register)
