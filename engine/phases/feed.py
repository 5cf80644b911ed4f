"""From a phase's bindings to the inputs of each step."""

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.batches import BatchOrder, BatchView, BatchViews, ColumnStore
from engine.errors import CheckpointError, PackagedCodeError
from engine.features import FeatureSetReference, FeatureSetView
from engine.phases.schedule import BatchSchedulingPolicy

if TYPE_CHECKING:
    from engine.phases.binding import InputBinding
    from engine.samplers import BaseSampler

Key = tuple[str, FeatureSetReference]
Inputs = dict[Key, BatchView]


class Port:
    """One input of a head node, and the columns it takes in."""

    def __init__(
        self, binding: "InputBinding", view: FeatureSetView, fmt: str, device: Any
    ) -> None:
        self.key: Key = (binding.node_id, binding.upstream_ref)
        self.stream = binding.stream
        self.store = ColumnStore(view, binding.upstream_ref, fmt=fmt, device=device)


class Draw:
    """One order of samples, shared by all inputs that are bound to it."""

    def __init__(
        self, view: FeatureSetView, sampler: "BaseSampler | None", size: int | None
    ) -> None:
        self.view = view
        self.sampler = sampler
        self.ports: list[Port] = []
        self._size = size
        self._open: list[tuple[Key, BatchViews]] = []
        self.sizes: list[int] = []

    def open(self, epoch: int) -> None:
        """Lay out the batches of an epoch."""
        orders = {port.stream: self._order(epoch, port.stream) for port in self.ports}
        self._open = [
            (port.key, BatchViews(port.store, orders[port.stream])) for port in self.ports
        ]
        self.sizes = next(iter(orders.values())).sizes.tolist()
        self.n_batches = min(len(order) for order in orders.values())

    def inputs(self, batch: int) -> Inputs:
        return {key: views[batch] for key, views in self._open}

    def get_state(self) -> dict[str, Any]:
        seed = None if self.sampler is None else self.sampler.get_state()["seed"]
        return {"rows": self._fingerprint, "n": len(self.view), "seed": seed}

    def set_state(self, state: Mapping[str, Any], label: str) -> None:
        if state["rows"] != self._fingerprint:
            raise CheckpointError(
                f"The phase {label!r} now draws from other samples of {self.view.source.label!r} "
                f"({len(self.view)} of them) than in the checkpoint ({state['n']}). Load the same "
                "data, and make the same splits: give their seed, or the experiment's."
            )
        if self.sampler is not None:
            self.sampler.set_state({"seed": state["seed"], "epoch": 0, "batch": 0})

    @cached_property
    def _fingerprint(self) -> str:
        return self.view.fingerprint

    def _order(self, epoch: int, stream: str) -> BatchOrder:
        if self.sampler is not None:
            return self.sampler.epoch_batches(epoch, stream)
        rows = np.arange(len(self.view))
        return BatchOrder.of_size(
            rows, self._size or max(len(rows), 1), drop_last=False, sequential=True
        )


class Feed:
    """The inputs of every step of a phase, epoch by epoch.

    Bindings to the same rows through equal samplers draw the same batches. Samplers that leave
    their seed open derive it from the experiment's and the phase's place, those of one object
    alike.
    """

    def __init__(
        self,
        bindings: "Sequence[InputBinding]",
        *,
        seed: int,
        place: Sequence[str] = (),
        formats: Mapping[str, str],
        device: Any = "cpu",
        policy: BatchSchedulingPolicy = BatchSchedulingPolicy.ZIP_STRICT,
        batch_size: int | None = None,
    ) -> None:
        """`formats` says for each head node whether it takes in torch or numpy blocks."""
        self._policy = policy
        self._draws: list[Draw] = []
        known: dict[Any, Draw] = {}
        objects: list[BaseSampler] = []
        for binding in bindings:
            draw = known.get(_identity(binding))
            if draw is None:
                sampler = _own_sampler(binding, seed, place, objects)
                draw = known[_identity(binding)] = Draw(
                    binding.resolve_input_view(), sampler, batch_size
                )
                self._draws.append(draw)
            draw.ports.append(Port(binding, draw.view, formats[binding.node_id], device))

    def begin_epoch(self, epoch: int) -> int:
        """Lay out an epoch; the number of its steps."""
        for draw in self._draws:
            draw.open(epoch)
        self._counts = [draw.n_batches for draw in self._draws]
        return self._policy.n_steps(self._counts)

    def step(self, number: int) -> tuple[Inputs, int]:
        """The inputs of a step, and for how many samples it counts.

        Where samplers take turns, only the inputs of the one whose turn it is are there.
        """
        if len(self._draws) == 1:
            draw = self._draws[0]
            return draw.inputs(number), draw.sizes[number]
        inputs: Inputs = {}
        sizes = []
        batches = self._policy.batches_at(number, self._counts)
        for draw, batch in zip(self._draws, batches, strict=True):
            if batch is not None:
                inputs.update(draw.inputs(batch))
                sizes.append(draw.sizes[batch])
        return inputs, max(sizes)

    @property
    def turns(self) -> list[frozenset[Key]]:
        """The inputs that steps have: all of them, or those of one sampler after the other."""
        keys = [frozenset(port.key for port in draw.ports) for draw in self._draws]
        return keys if self._policy.alternates else [frozenset().union(*keys)]

    def get_state(self) -> list[dict[str, Any]]:
        """What tells these samples in their order from others, so that a resume can notice them."""
        return [draw.get_state() for draw in self._draws]

    def set_state(self, state: Sequence[Mapping[str, Any]], label: str) -> None:
        """Draw in the orders of the state; refuses to go on with other samples."""
        if len(state) != len(self._draws):
            raise CheckpointError(
                f"The phase {label!r} draws from {len(self._draws)} sources, and in the checkpoint "
                f"from {len(state)}. Give it the bindings it was saved with."
            )
        for draw, saved in zip(self._draws, state, strict=True):
            draw.set_state(saved, label)


def _identity(binding: "InputBinding") -> tuple[Any, ...]:
    """Equal for bindings that draw the same batches."""
    rows = None if binding.rows is None else binding.rows.tobytes()
    return (binding.upstream_ref.node_label, binding.split, rows, _described(binding.sampler))


def _described(sampler: "BaseSampler | None") -> Any:
    if sampler is None:
        return None
    try:
        return type(sampler), json.dumps(sampler.get_config(), default=repr)
    except PackagedCodeError:
        # A metric that cannot be named, such as a lambda: the sampler is like itself only.
        return id(sampler)


def _own_sampler(
    binding: "InputBinding", seed: int, place: Sequence[str], objects: "list[BaseSampler]"
) -> "BaseSampler | None":
    if binding.sampler is None:
        return None
    if not any(binding.sampler is one for one in objects):
        objects.append(binding.sampler)
    number = next(at for at, one in enumerate(objects) if one is binding.sampler)
    sampler = copy.copy(binding.sampler)
    sampler.bind_sources([binding.resolve_input_view()])
    sampler.derive_seed(seed, *place, "sampler", str(number))
    return sampler
