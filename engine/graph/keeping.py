"""A graph's state and configuration, in memory and as files."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from engine.context import ExperimentContext
from engine.graph import state as states
from engine.graph.describing import describe
from engine.graph.rebuilding import rebuild
from engine.saving import Savable, location_of
from engine.saving.aside import aside

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph


class Keeping(Savable):
    """The part of ModelGraph by which it is there again: later, in another process."""

    saved_as = "graph"
    ctx: ExperimentContext

    @abstractmethod
    def build(self, *, force: bool = False) -> None: ...

    @property
    def _graph(self) -> "ModelGraph":
        return cast("ModelGraph", self)

    # State

    def get_state(self, *, copy: bool = True) -> dict[str, Any]:
        """Weights, buffers, estimators, optimizers, schedules and what is frozen.

        Without `copy` it shares memory with the graph, to be written to a file at once.
        """
        self.build()
        return states.get_state(self._graph, copied=copy)

    def set_state(self, state: Mapping[str, Any], *, copy: bool = True) -> None:
        """Take over what `get_state` gave; a state that does not fit changes nothing.

        Without `copy` training goes on in the memory of `state`, as for one just read from a file.
        """
        self.build()
        if "built" in state:
            # What comes after an estimator is built for what that gave when it was fitted.
            rebuild(self._graph, state["built"])
        states.set_state(self._graph, state, copied=copy)

    def get_weights(self) -> dict[str, Any]:
        """A copy of what was learned, without the optimizers' states."""
        self.build()
        return states.get_weights(self._graph)

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over what `get_weights` gave."""
        self.build()
        states.set_weights(self._graph, weights)

    # Checkpoints

    def save_checkpoint(
        self,
        filepath: str | Path,
        *,
        overwrite: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write the state to a file; an existing one is kept unless `overwrite`."""
        return states.save_checkpoint(self._graph, Path(filepath), overwrite=overwrite, meta=meta)

    def restore_checkpoint(self, filepath: str | Path, *, trusted: bool = False) -> Self:
        """Take over the state in a file that `save_checkpoint` wrote, the experiment's too.

        Estimators of types that skops does not know to be safe are refused unless `trusted`.
        """
        states.restore_checkpoint(self._graph, Path(filepath), trusted=trusted)
        return self

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Nodes, wiring and optimizer as plain values; nothing that was learned."""
        return describe(self._graph)

    # Files

    @classmethod
    def load(
        cls,
        filepath: str | Path,
        *,
        allow_packaged_code: bool = False,
        overwrite: bool = False,
    ) -> Self:
        """The graph in a file that `save` wrote: what it had learned, and the moments to go on.

        Its feature sets need not be there before it is trained or evaluated on them. A label that
        is taken is an error, unless the active context's policy or `overwrite` says otherwise.
        """
        with aside(overwrite=overwrite):
            graph = super().load(filepath, allow_packaged_code=allow_packaged_code)
        graph.ctx = ExperimentContext.active_or_default()
        return graph

    def saved_form(self) -> dict[str, Any]:
        """Shares memory with the graph, to be written to a file at once."""
        return {
            "class": location_of(type(self)),
            "config": self.get_config(),
            "state": self.get_state(copy=False),
        }

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        """What `saved_form` described; imports its class."""
        graph = cls.class_in(saved).from_config(saved["config"])
        graph.restore(saved["state"])
        return graph

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Be built as the graph was that gave this state, and take it over with its memory."""
        rebuild(self._graph, saved["built"])
        states.set_state(self._graph, saved, copied=False)
