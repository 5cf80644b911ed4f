"""Which nodes exist, by label, and what happens when a label is taken."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from engine.errors import (
    ContextError,
    LabelTakenError,
    NoActiveContextError,
    ResolutionError,
    UnknownLabelError,
)
from engine.warning import warn

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.graph import ModelGraph


class RegistrationPolicy(Enum):
    """What happens to a new node whose label is taken."""

    ERROR = "error"
    OVERWRITE = "overwrite"
    OVERWRITE_WARN = "overwrite_warn"
    NO_REGISTER = "no_register"

    @classmethod
    def from_value(cls, value: "str | RegistrationPolicy") -> "RegistrationPolicy":
        if isinstance(value, cls):
            return value
        try:
            return cls(str(value).lower())
        except ValueError:
            known = [policy.value for policy in cls]
            raise UnknownLabelError("registration policy", str(value), known) from None


class ExperimentNode:
    """What an experiment is made of: a feature set, or a node of the model graph.

    A node is known by its label, in this process and in every file; a new node registers
    itself in the active context, or, if there is none, in the thread's default one.
    """

    def __init__(self, label: str, *, node_id: str | None = None, register: bool = True) -> None:
        self._label = _checked_label(label)
        if node_id not in (None, label):
            raise ContextError(
                f"A node's id is its label: node_id={node_id!r} does not fit label={label!r}."
            )
        if register and registering.get():
            ExperimentContext.active_or_default().register_experiment_node(self)

    @property
    def label(self) -> str:
        return self._label

    @label.setter
    def label(self, label: str) -> None:
        _checked_label(label)
        context = ExperimentContext.find_active()
        if context is not None and context.holds(self):
            context.update_node_label(self._label, label)
        else:
            self._label = label

    @property
    def node_id(self) -> str:
        return self._label

    def reference(self) -> Any:
        return ExperimentNodeReference(node_label=self.label)


@dataclass(frozen=True, slots=True)
class ExperimentNodeReference:
    """Points to a node by its label; resolved when it is used."""

    node_label: str
    node_id: str | None = None

    def __post_init__(self) -> None:
        if self.node_id is None:
            object.__setattr__(self, "node_id", self.node_label)

    def resolve(self, ctx: "ExperimentContext | None" = None) -> Any:
        return resolve_node(self.node_label, self.node_type, ctx)

    @property
    def node_type(self) -> str:
        return "ExperimentNode"

    def get_config(self) -> dict[str, Any]:
        return {"node_label": self.node_label, "node_id": self.node_id}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@dataclass(frozen=True, slots=True)
class GraphNodeReference(ExperimentNodeReference):
    """Points to a node of the model graph."""

    @property
    def node_type(self) -> str:
        return "GraphNode"


class ExperimentContext:
    """The register of one experiment: its nodes by label, its model graph, its policy."""

    def __init__(
        self,
        *,
        experiment: "Experiment | None" = None,
        registration_policy: RegistrationPolicy | str | None = None,
    ) -> None:
        self._experiment = experiment
        self._policy = RegistrationPolicy.from_value(
            RegistrationPolicy.ERROR if registration_policy is None else registration_policy
        )
        self._nodes: dict[str, ExperimentNode] = {}
        self._model_graph: ModelGraph | None = None

    # Which context is active

    @classmethod
    def get_active(cls) -> "ExperimentContext":
        """The context of the innermost `activate` block, else the thread's default one."""
        context = cls.find_active()
        if context is None:
            raise NoActiveContextError(
                "No experiment context is active. Make a node or an Experiment first, "
                "or use `with ExperimentContext().activate():`."
            )
        return context

    @classmethod
    def find_active(cls) -> "ExperimentContext | None":
        return _active.get() or getattr(_thread, "default", None)

    @classmethod
    def active_or_default(cls) -> "ExperimentContext":
        """The active context; the thread's default one comes into being here."""
        context = cls.find_active()
        if context is None:
            context = _thread.default = cls()
        return context

    @contextmanager
    def activate(self) -> Iterator["ExperimentContext"]:
        """Active for the length of the block, in this thread or task only."""
        token = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(token)

    def make_active(self) -> None:
        """Active from here on: within the surrounding `activate` block, else in this thread."""
        if _active.get() is None:
            _thread.default = self
        else:
            _active.set(self)

    @contextmanager
    def temporary(self) -> Iterator["ExperimentContext"]:
        """Active for the block; nodes, graph, policy and experiment are put back afterwards."""
        before = self.get_state()
        with self.activate():
            try:
                yield self
            finally:
                self.set_state(before)

    @staticmethod
    @contextmanager
    def dont_register() -> Iterator[None]:
        """Nodes made inside the block are registered nowhere."""
        token = registering.set(False)
        try:
            yield
        finally:
            registering.reset(token)

    # Policy and experiment

    @property
    def registration_policy(self) -> RegistrationPolicy:
        return self._policy

    def set_registration_policy(self, policy: str | RegistrationPolicy) -> None:
        self._policy = RegistrationPolicy.from_value(policy)

    @contextmanager
    def use_policy(self, policy: str | RegistrationPolicy) -> Iterator["ExperimentContext"]:
        before = self._policy
        self.set_registration_policy(policy)
        try:
            yield self
        finally:
            self._policy = before

    def get_experiment(self) -> "Experiment | None":
        return self._experiment

    def set_experiment(self, experiment: "Experiment", *, reset_registries: bool = False) -> None:
        if reset_registries:
            self.clear_registries()
        self._experiment = experiment

    # Nodes

    @property
    def available_nodes(self) -> dict[str, ExperimentNode]:
        return dict(self._nodes)

    @property
    def available_featuresets(self) -> dict[str, Any]:
        return self._of_type("FeatureSet")

    @property
    def available_computenodes(self) -> dict[str, Any]:
        return self._of_type("ComputeNode")

    def register_experiment_node(
        self, node: ExperimentNode, *, check_label_collision: bool = True
    ) -> None:
        """Add the node; a taken label is treated as the policy says."""
        if not isinstance(node, ExperimentNode):
            raise TypeError(f"{node!r} is a {type(node).__name__}, not an ExperimentNode.")
        if self._policy is RegistrationPolicy.NO_REGISTER:
            return
        if self._nodes.get(node.label, node) is not node and check_label_collision:
            self._allow_overwriting(_said(self._nodes[node.label]))
        self._nodes[node.label] = node

    def get_node(
        self,
        val: str | None = None,
        *,
        node_id: str | None = None,
        label: str | None = None,
        enforce_type: str | type = "ExperimentNode",
    ) -> Any:
        """The node of this label; `val`, `node_id` and `label` are three ways to say it."""
        name = _one_of(val, node_id, label)
        if name not in self._nodes:
            raise UnknownLabelError("node", name, self._nodes)
        node = self._nodes[name]
        if not is_a(node, enforce_type):
            wanted = enforce_type if isinstance(enforce_type, str) else enforce_type.__name__
            raise ContextError(f"Node {name!r} is a {type(node).__name__}, not a {wanted}.")
        return node

    def has_node(self, *, node_id: str | None = None, label: str | None = None) -> bool:
        return _one_of(node_id, label) in self._nodes

    def holds(self, node: ExperimentNode) -> bool:
        """Whether this very node is registered here."""
        return self._nodes.get(node.label) is node

    def remove_node(
        self,
        *,
        node_id: str | None = None,
        label: str | None = None,
        error_if_missing: bool = True,
    ) -> ExperimentNode | None:
        name = _one_of(node_id, label)
        if name not in self._nodes and error_if_missing:
            raise UnknownLabelError("node", name, self._nodes)
        return self._nodes.pop(name, None)

    def update_node_label(
        self, node_id: str, new_label: str, *, check_label_collision: bool = True
    ) -> None:
        """Give a registered node another label, which is its id from then on."""
        if node_id not in self._nodes:
            raise UnknownLabelError("node", node_id, self._nodes)
        if new_label != node_id and new_label in self._nodes and check_label_collision:
            self._allow_overwriting(_said(self._nodes[new_label]))
        node = self._nodes.pop(node_id)
        node._label = _checked_label(new_label)  # noqa: SLF001 - the register owns the labels
        self._nodes[new_label] = node

    def clear_registries(self) -> None:
        """Forget all nodes and the model graph."""
        self._nodes.clear()
        self._model_graph = None

    # The model graph

    @property
    def model_graph(self) -> "ModelGraph | None":
        return self._model_graph

    def register_model_graph(self, graph: "ModelGraph") -> None:
        if not is_a(graph, "ModelGraph"):
            raise TypeError(f"{graph!r} is a {type(graph).__name__}, not a ModelGraph.")
        if self._policy is RegistrationPolicy.NO_REGISTER or not registering.get():
            return
        if self._model_graph is not None and self._model_graph is not graph:
            self._allow_overwriting("model graph", "Change it, remove it (`remove_model_graph`)")
        self._model_graph = graph

    def remove_model_graph(self) -> None:
        self._model_graph = None

    # State

    def get_state(self) -> dict[str, Any]:
        """A snapshot for `set_state`: it holds the nodes themselves, so it is for this process."""
        return {
            "nodes": dict(self._nodes),
            "model_graph": self._model_graph,
            "registration_policy": self._policy.value,
            "experiment": self._experiment,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._nodes = dict(state["nodes"])
        for label, node in self._nodes.items():
            node._label = label  # noqa: SLF001 - undoes renamings since the snapshot
        self._model_graph = state["model_graph"]
        self._policy = RegistrationPolicy.from_value(state["registration_policy"])
        self._experiment = state["experiment"]

    def _of_type(self, name: str) -> dict[str, Any]:
        return {label: node for label, node in self._nodes.items() if is_a(node, name)}

    def _allow_overwriting(
        self, what: str, advice: str = "Use another label, remove the old one"
    ) -> None:
        if self._policy is RegistrationPolicy.ERROR:
            raise LabelTakenError(
                f"There is a {what} in this context already. {advice}, or set the registration "
                "policy to 'overwrite'."
            )
        if self._policy is RegistrationPolicy.OVERWRITE_WARN:
            warn(f"The {what} replaces an earlier one.")


def _said(node: ExperimentNode) -> str:
    kind = "feature set" if is_a(node, "FeatureSet") else "node"
    return f"{kind} {node.label!r}"


_active: ContextVar[ExperimentContext | None] = ContextVar("active_context", default=None)
registering: ContextVar[bool] = ContextVar("registering", default=True)
# Not in the ContextVar: notebooks may run each cell in a copy of the context, and a default
# that was set in one cell must be there in the next.
_thread = threading.local()


def resolve_node(label: str, kind: str | type, ctx: ExperimentContext | None = None) -> Any:
    """The node a reference means, in `ctx` or the active context."""
    try:
        context = ExperimentContext.get_active() if ctx is None else ctx
        return context.get_node(label, enforce_type=kind)
    except ContextError as error:
        raise ResolutionError(str(error)) from error


def is_a(thing: object, kind: str | type) -> bool:
    """Whether the thing is of this class, which may be given by name: it lives in a room above."""
    if isinstance(kind, type):
        return isinstance(thing, kind)
    return any(parent.__name__ == kind for parent in type(thing).__mro__)


def _checked_label(label: object) -> str:
    if not isinstance(label, str) or not label.strip():
        raise ContextError(f"A label is a text that is not empty, and this is {label!r}.")
    return label


def _one_of(*names: str | None) -> str:
    given = [name for name in names if name is not None]
    if len(given) != 1:
        raise ValueError(f"Say which node by exactly one name; got {len(given)}.")
    return given[0]
