"""An experiment's state: saved, restored, and as files."""

import copy
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.callbacks.checkpointing import Checkpointing
from engine.callbacks.pins import is_pinned, pin, unpin
from engine.errors import CheckpointError
from engine.experiment.checkpoints import CheckpointFiles, SavedCheckpoint
from engine.experiment.position import Position
from engine.phases.checkpoints_due import Due
from engine.results.states import run_from_state, run_state

if TYPE_CHECKING:
    from engine.experiment.execution import Execution
    from engine.graph import ModelGraph
    from engine.phases.train import TrainPhase
    from engine.results.runs import ExperimentRun


class Keeping(ABC):
    """What an experiment does to be kept, and to go on from what was kept.

    A state holds all that changes while an experiment runs: weights, optimizers and schedulers,
    generators, the place in the plan, callbacks' states, the scalars of the history. It holds
    neither data nor recorded batches.
    """

    label: str
    seed: int
    step: int

    def __init__(self) -> None:
        self._history: list[ExperimentRun] = []
        self._files = CheckpointFiles(self)
        self._checkpointing: Checkpointing | None = None
        self._disabled = 0
        self._inside_callback = 0
        # What is being run, and what can be gone on with when nothing is.
        self._execution: Execution | None = None
        self._position: Position | None = None

    @property
    @abstractmethod
    def model_graph(self) -> "ModelGraph | None":
        """The graph whose state is kept."""

    # When checkpoints are made

    @property
    def checkpointing(self) -> Checkpointing | None:
        """When the experiment itself saves checkpoints; None where it does not."""
        return self._checkpointing

    def set_checkpointing(self, checkpointing: Checkpointing | None) -> None:
        """Attach or replace it; None switches it off."""
        if checkpointing is not None and checkpointing.directory is not None:
            checkpointing.fit_for_experiment()
            self.set_checkpoint_dir(checkpointing.directory)
        self.attach_checkpointing(checkpointing)

    def attach_checkpointing(self, checkpointing: Checkpointing | None) -> None:
        """The same without making its directory, which the first checkpoint does."""
        if checkpointing is not None:
            checkpointing.fit_for_experiment()
            self._files.directory = checkpointing.directory or self._files.directory
        self._checkpointing = checkpointing

    @property
    def checkpointing_enabled(self) -> bool:
        """Whether Checkpointings save now: not while disabled, nor inside a callback."""
        return not self._disabled and not self._inside_callback

    @contextmanager
    def disable_checkpointing(self) -> Iterator[None]:
        """Within the block no Checkpointing saves, neither the experiment's nor a phase's."""
        self._disabled += 1
        try:
            yield
        finally:
            self._disabled -= 1

    @contextmanager
    def inside_callback(self) -> Iterator[None]:
        """Within the block runs are nobody's but the callback's: unreported and unsaved."""
        self._inside_callback += 1
        try:
            yield
        finally:
            self._inside_callback -= 1

    def count_checkpoints_anew(self) -> None:
        """A new run of the plan begins: what earlier ones have saved is not this one's."""
        if self._checkpointing is not None and self.checkpointing_enabled:
            self._checkpointing.reset()

    def save_at(self, hook: str, label: str, measured: Mapping[str, float]) -> None:
        """Save if the experiment's Checkpointing says so; `measured` is what ended there."""
        checkpointing = self._checkpointing
        if checkpointing is None or not self.checkpointing_enabled:
            return
        if checkpointing.should_save(hook):
            name = checkpointing.format_name(label=label)
            values = {key: measured[key] for key in checkpointing.best if key in measured}
            self._files.save_for(checkpointing, self._files.folder(name), Due(name, name, values))

    def save_training_state(self, phase: "TrainPhase", due: Due) -> None:
        """Save for a training phase's Checkpointing: the graph in memory, or everything on disk."""
        checkpointing, graph = phase.checkpointing, self.model_graph
        if checkpointing is None or graph is None:
            return
        if checkpointing.mode == "memory":
            checkpointing.record_memory(due.key, graph.get_state(), values=due.values)
        else:
            self._files.save_for(checkpointing, self.training_folder(phase, due.folds), due)

    def training_folder(self, phase: "TrainPhase", folds: Sequence[str] = ()) -> Path:
        """Where a training phase's Checkpointing saves on disk, inside of these folds."""
        return self._files.training_folder(phase, folds)

    def take_up_checkpointing(
        self,
        checkpointing: Checkpointing,
        folder: Path | None,
        progress: Mapping[str, Any],
        folds: Sequence[str],
    ) -> None:
        """Let a phase's Checkpointing go on with what it had counted and kept."""
        self._files.take_up(checkpointing, folder, progress, folds)

    # Files

    @property
    def available_checkpoints(self) -> dict[str, Path]:
        """The files saved by name, of the experiment and of its training phases."""
        return dict(self._files.by_name)

    def know_checkpoints(self, files: Mapping[str, Path]) -> None:
        """Count these files, which another process has saved for this one, among its own."""
        self._files.by_name.update(files)

    def add_history(self, runs: Iterable["ExperimentRun"]) -> None:
        """Count these among the runs so far."""
        self._history.extend(runs)

    def set_checkpoint_dir(self, path: Path | str, *, create: bool = True) -> None:
        """Where checkpoints are saved by name."""
        folder = Path(path)
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise CheckpointError(f"There is no directory {folder}; create=True makes it.")
        self._files.directory = folder

    def save_checkpoint(
        self, name: str, *, overwrite: bool = False, meta: Mapping[str, Any] | None = None
    ) -> Path:
        """Save the state under a name in the checkpoint directory."""
        self._refuse_inside_callback()
        path = self._files.named(name)
        return self._files.save(path, name, overwrite=overwrite, meta=meta).path

    def pin_checkpoint(self, name_or_path: str | Path) -> Path:
        """Keep a checkpoint whatever any Checkpointing's rules say; it is not overwritten either.

        The pin is an empty file beside it, so that it holds in every process.
        """
        path = self._files.find(name_or_path)
        pin(path)
        return path

    def unpin_checkpoint(self, name_or_path: str | Path) -> Path:
        """Take the pin off, if there is one: the rules decide again, from the next save on."""
        path = self._files.find(name_or_path)
        unpin(path)
        return path

    @property
    def pinned_checkpoints(self) -> dict[str, Path]:
        """Those of `available_checkpoints` that are pinned."""
        return {name: path for name, path in self._files.by_name.items() if is_pinned(path)}

    def write_checkpoint(
        self,
        path: Path | str,
        *,
        meta: Mapping[str, Any] | None = None,
        share_graph: bool = False,
    ) -> SavedCheckpoint:
        """Save the state as this file, replacing what was there; a reporter may in mid-phase.

        The best weights that an EarlyStopping keeps go into a file of their own beside it, named by
        its content, which the checkpoint refers to. With `share_graph` a graph that has not changed
        since the latest checkpoint is not written again: the file is small, refers to that one, and
        needs it beside itself.
        """
        self._refuse_inside_callback()
        return self._files.write(Path(path), meta, sharing=share_graph)

    def _refuse_inside_callback(self) -> None:
        if self._inside_callback:
            raise CheckpointError(
                "A callback is called in the middle of a step's or an epoch's end, where no run "
                "could go on exactly. Save from a Reporter, or with a Checkpointing."
            )

    def restore_checkpoint(
        self, name_or_path: str | Path, *, sha256: str | None = None, trusted: bool = False
    ) -> None:
        """Take the state back from a saved name or a path; `resume` then goes on from there.

        The file of a model graph alone restores the graph. `trusted` accepts scikit-learn types
        that are not known to be safe. Nothing is changed if the file is damaged or does not fit.
        """
        path = self._files.find(name_or_path)
        state = self._files.read(path, sha256=sha256, trusted=trusted)
        try:
            self._restore(state, copied=False)
        except CheckpointError as error:
            raise CheckpointError(f"The checkpoint {path} does not fit: {error}") from error

    # State

    def get_state(self) -> dict[str, Any]:
        """A copy of the state, for `set_state`; of a stopped run too."""
        return copy.deepcopy(self.live_state())

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; `resume` then goes on from there."""
        self._restore(state, copied=True)

    def live_state(self) -> dict[str, Any]:
        """The state without a copy of the weights, to be written down at once."""
        return {**self.progress(), "graph": self._graph().get_state(copy=False)}

    def progress(self) -> dict[str, Any]:
        """The state without the graph's."""
        position = self._execution.position() if self._execution is not None else self._position
        return {
            "label": self.label,
            "seed": self.seed,
            "step": self.step,
            "position": position and position.get_state(),
            "history": [run_state(run) for run in self._history],
            "checkpointing": self._checkpointing_progress(),
        }

    def _checkpointing_progress(self) -> dict[str, Any] | None:
        checkpointing = self._checkpointing
        if checkpointing is None:
            return None
        return checkpointing.get_progress(self._files.directory)

    def _restore(self, state: Mapping[str, Any], *, copied: bool) -> None:
        if self._execution is not None:
            raise CheckpointError("A run is going on; its state cannot be replaced.")
        if state.keys() == {"graph"}:
            self._graph().set_state(state["graph"], copy=copied)
            return
        take_progress = self.taking_progress(state)
        self._graph().set_state(state["graph"], copy=copied)
        take_progress()
        self.count_on(state)

    def count_on(self, state: Mapping[str, Any]) -> None:
        """Go on from where the experiment's Checkpointing stood, with the files it kept."""
        progress = state.get("checkpointing")
        if self._checkpointing is not None and progress is not None:
            self._files.take_up(self._checkpointing, self._files.directory, progress)

    def taking_progress(self, state: Mapping[str, Any]) -> Callable[[], None]:
        """What takes over a state without the graph's, once it is known to be one."""
        position = state["position"] and Position.from_state(state["position"])
        history = [run_from_state(run) for run in state["history"]]
        seed, step = operator.index(state["seed"]), operator.index(state["step"])

        def take() -> None:
            self.seed, self.step = seed, step
            self._position, self._history = position, history

        return take

    def _graph(self) -> "ModelGraph":
        graph = self.model_graph
        if graph is None:
            raise CheckpointError(f"The experiment {self.label!r} has no model graph to keep.")
        return graph
