"""When checkpoints are made, what they are called, and which stay."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from engine.callbacks import pins
from engine.callbacks.naming import check_template, checked_name
from engine.callbacks.retention import Goal, Retention, positive
from engine.callbacks.saved import Key, SavedInMemory, SavedOnDisk, remove_best_weights
from engine.errors import CheckpointError, PhaseError, did_you_mean

Mode = Literal["memory", "disk"]

TRAIN_HOOKS = (
    "phase_start",
    "phase_end",
    "epoch_start",
    "epoch_end",
    "batch_start",
    "batch_end",
)
EXPERIMENT_HOOKS = (
    "phase_start",
    "phase_end",
    "group_start",
    "group_end",
    "experiment_start",
    "experiment_end",
)
TRAIN_PLACEHOLDERS = frozenset({"phase", "epoch", "batch"})
EXPERIMENT_PLACEHOLDERS = frozenset({"label"})


class Checkpointing:
    """Saves state at the chosen hooks, every `every_n`-th time each of them comes.

    In memory mode a training phase keeps the model graph's states. In disk mode a training phase
    and an experiment alike write checkpoints from which a run goes on exactly.

    Everything stays, unless it is said what does: the newest `max_to_keep`, and beside them the
    `top` best by each metric in `best`, at its lowest or, with `{"accuracy": "max"}`, its highest.
    With `best` alone the newest one stays too. What is pinned stays anyway. Files of anybody else
    are never touched.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings
        self,
        *,
        mode: Mode = "memory",
        save_on: str | list[str] = "epoch_end",
        every_n: int = 1,
        directory: Path | str | None = None,
        name_template: str | None = None,
        max_to_keep: int | None = None,
        overwrite: bool = True,
        best: str | Mapping[str, Goal] | None = None,
        top: int = 1,
    ) -> None:
        if mode not in ("memory", "disk"):
            raise PhaseError(f"Checkpointing has the modes 'memory' and 'disk', not {mode!r}.")
        self._save_on = [save_on] if isinstance(save_on, str) else list(save_on)
        self._check_hooks(self._save_on, {*TRAIN_HOOKS, *EXPERIMENT_HOOKS}, "checkpointing")
        self._mode: Mode = mode
        self._every_n = positive("every_n", every_n)
        self._max_to_keep = max_to_keep
        self._retention = Retention.of(max_to_keep, best, top)
        self._directory = None if directory is None else Path(directory)
        self._name_template = name_template
        self._overwrite = overwrite
        # The training phase that it is attached to.
        self._phase: Any = None
        self.reset()

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def save_on(self) -> list[str]:
        return list(self._save_on)

    @property
    def every_n(self) -> int:
        return self._every_n

    @property
    def directory(self) -> Path | None:
        return self._directory

    @property
    def name_template(self) -> str | None:
        return self._name_template

    @property
    def max_to_keep(self) -> int | None:
        return self._max_to_keep

    @property
    def best(self) -> dict[str, Goal]:
        """The metrics whose best checkpoints stay, and whether each is best low or high."""
        return dict(self._retention.best)

    @property
    def top(self) -> int:
        return self._retention.top

    @property
    def overwrite(self) -> bool:
        return self._overwrite

    # Being attached

    def attach(self, phase: Any) -> None:
        """Be the phase's: what it has saved would be forgotten with another one's start."""
        if self._phase is not None and self._phase is not phase:
            raise PhaseError(
                f"The Checkpointing belongs to the phase {self._phase.label!r} already; give "
                f"{phase.label!r} one of its own."
            )
        self._phase = phase

    def detach(self) -> None:
        """Be free for another phase."""
        self._phase = None

    def fit_for_training(self) -> None:
        """Check the hooks and the placeholders against those of a training phase."""
        self._check_hooks(self._save_on, TRAIN_HOOKS, "a TrainPhase")
        self._name_template = self._name_template or self._default_training_name()
        self.validate_placeholders(self._name_template, TRAIN_PLACEHOLDERS, "a TrainPhase")

    def fit_for_experiment(self) -> None:
        """Check mode, hooks and placeholders against those of an experiment."""
        if self._mode != "disk":
            raise PhaseError("An Experiment checkpoints to files: use Checkpointing(mode='disk').")
        self._check_hooks(self._save_on, EXPERIMENT_HOOKS, "an Experiment")
        self._name_template = self._name_template or "{label}"
        self.validate_placeholders(self._name_template, EXPERIMENT_PLACEHOLDERS, "an Experiment")

    def _default_training_name(self) -> str:
        by_batch = any(hook.startswith("batch") for hook in self._save_on)
        return "{phase}_epoch{epoch}" + ("_batch{batch}" if by_batch else "")

    @staticmethod
    def validate_placeholders(template: str, allowed: frozenset[str], context_name: str) -> None:
        """Refuse a template with a placeholder that is not filled in there."""
        check_template(template, allowed, context_name)

    @staticmethod
    def _check_hooks(hooks: Iterable[str], allowed: Iterable[str], owner: str) -> None:
        known = list(allowed)
        for hook in hooks:
            if hook not in known:
                raise PhaseError(
                    f"There is no hook {hook!r} to save on in {owner}.{did_you_mean(hook, known)}"
                )

    # When, and under which name

    def should_save(self, hook: str) -> bool:
        """Count one occurrence of the hook; whether a checkpoint is due."""
        if hook not in self._save_on:
            return False
        self._counts[hook] = self._counts.get(hook, 0) + 1
        return self._counts[hook] % self._every_n == 0

    def format_name(self, **values: Any) -> str:
        if self._name_template is None:
            raise PhaseError("This Checkpointing has no name template; attach it, or give it one.")
        return self._name_template.format(**values)

    def check_name(self, **values: Any) -> None:
        """PhaseError if the name for these values is none that a file can have."""
        checked_name(self.format_name(**values))

    # What there is

    @property
    def saved_keys(self) -> list[Key]:
        """The keys of the checkpoints that are kept, sorted, numbers first."""
        keys = [*self._states, *self._files]
        return sorted(keys, key=lambda key: (isinstance(key, str), key))

    @property
    def saved_paths(self) -> dict[Key, Path]:
        """The files by key, the oldest first."""
        return {key: saved.path for key, saved in self._files.items()}

    @property
    def pinned_keys(self) -> list[Key]:
        """The keys of those kept that stay whatever the rules say, sorted as `saved_keys`."""
        return [key for key in self.saved_keys if self._is_pinned(key)]

    def has_key(self, key: Key) -> bool:
        return key in self._states or key in self._files

    def get_state(self, key: Key) -> dict[str, Any] | None:
        """The state kept in memory under this key; None where there is none."""
        saved = self._states.get(key)
        return None if saved is None else saved.state

    def get_path(self, key: Key) -> Path | None:
        """The file of this key; None where there is none."""
        saved = self._files.get(key)
        return saved.path if saved is not None and saved.path.exists() else None

    def get_values(self, key: Key) -> dict[str, float]:
        """The values that the metrics in `best` had where this was saved, as far as logged."""
        return dict(self._saved(key).values)

    def record_memory(
        self, key: Key, state: dict[str, Any], *, values: Mapping[str, float] | None = None
    ) -> None:
        """Count this state among those kept; those that no rule keeps are forgotten."""
        self._states.pop(key, None)
        self._states[key] = SavedInMemory(state, dict(values or {}))
        for unwanted in self._unwanted(self._states):
            del self._states[unwanted]

    def record_disk(
        self,
        key: Key,
        path: Path,
        *,
        best: Path | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        """Count this file among those kept; those that no rule keeps are removed."""
        path = Path(path)
        # What was saved under this name before is gone with it.
        before = [old for old, saved in self._files.items() if old == key or saved.path == path]
        gone = [*self._lost, *(self._files.pop(old) for old in before)]
        self._lost.clear()
        self._files[key] = SavedOnDisk(path, best, dict(values or {})).written()
        for unwanted in self._unwanted(self._files):
            gone.append(self._files.pop(unwanted))
            gone[-1].remove()
        remove_best_weights(gone, self._files.values())

    def _unwanted(self, saved: Mapping[Key, SavedInMemory | SavedOnDisk]) -> list[Key]:
        if self._retention.keeps_all:
            return []
        values = {key: one.values for key, one in saved.items()}
        stays = self._retention.stays(values, [key for key in saved if self._is_pinned(key)])
        return [key for key in saved if key not in stays]

    @contextmanager
    def expecting(
        self, key: Key, path: Path, values: Mapping[str, float] | None = None
    ) -> Iterator[None]:
        """While a checkpoint is written, it counts itself among those that there are."""
        self._expected[key] = SavedOnDisk(path, values=dict(values or {}))
        try:
            yield
        finally:
            self._expected.clear()

    def reset(self) -> None:
        """Forget what was counted and kept; files, and the pins on them, stay."""
        self._counts: dict[str, int] = {}
        self._states: dict[Key, SavedInMemory] = {}
        self._files: dict[Key, SavedOnDisk] = {}
        self._expected: dict[Key, SavedOnDisk] = {}
        # Removed in a process that did not live to remove their best weights too.
        self._lost: list[SavedOnDisk] = []
        self._pinned_states: set[Key] = set()

    # Pins

    def pin(self, key: Key) -> None:
        """Keep this one whatever the rules say, also in processes that go on with the run.

        A pinned file is not overwritten either: the next of its name is called `name-2`.
        """
        saved = self._saved(key)
        if isinstance(saved, SavedOnDisk):
            pins.pin(saved.path)
        else:
            self._pinned_states.add(key)

    def unpin(self, key: Key) -> None:
        """Let the rules decide about this one again, from the next save on."""
        saved = self._saved(key)
        if isinstance(saved, SavedOnDisk):
            pins.unpin(saved.path)
        self._pinned_states.discard(key)

    def _is_pinned(self, key: Key) -> bool:
        saved = self._files.get(key)
        return key in self._pinned_states or (saved is not None and pins.is_pinned(saved.path))

    def _saved(self, key: Key) -> SavedInMemory | SavedOnDisk:
        saved = self._files.get(key) or self._states.get(key)
        if saved is None:
            known = ", ".join(map(repr, self.saved_keys)) or "none"
            raise CheckpointError(f"No checkpoint is kept under {key!r}; kept are: {known}.")
        return saved

    # In another process

    def handed_over(self) -> dict[str, Any]:
        """All that is counted and kept, for `take_over` in the process that this one works for."""
        return {
            "counts": dict(self._counts),
            "states": dict(self._states),
            "files": dict(self._files),
            "pinned": set(self._pinned_states),
        }

    def take_over(self, kept: Mapping[str, Any]) -> None:
        """Count and keep what `handed_over` gave, in place of what was."""
        self._counts, self._states = dict(kept["counts"]), dict(kept["states"])
        self._files, self._pinned_states = dict(kept["files"]), set(kept["pinned"])

    # Going on from a checkpoint

    def get_progress(self, folder: Path | None) -> dict[str, Any]:
        """The counts and the kept files, so that a resumed run goes on as if uninterrupted."""
        expected = self._expected
        files = {key: saved for key, saved in self._files.items() if key not in expected} | expected
        described = [saved.described(key) for key, saved in files.items()]
        return {
            "counts": dict(self._counts),
            "files": described if folder is not None else [],
            "saving": list(expected),
        }

    def set_progress(
        self, progress: Mapping[str, Any], folder: Path | None, *, best: Path | None = None
    ) -> None:
        """Take back what `get_progress` gave; files that are gone or others by now are left out.

        `best` are the best weights that the checkpoint refers to that the progress comes from.
        CheckpointError for files that are not in the folder, which changes nothing.
        """
        files = (
            []
            if folder is None
            else [SavedOnDisk.from_description(one, folder) for one in progress["files"]]
        )
        self._files.clear()
        self._lost.clear()
        self._counts = dict(progress["counts"])
        for key, saved in files:
            saving = key in progress["saving"]
            # Only one that was being written knows no tail of its own yet.
            if saved.is_there and (saving or saved.tail is not None):
                own = replace(saved, best=best) if saving else saved
                self._files[key] = own.written()
            else:
                self._lost.append(saved)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        return {
            "mode": self._mode,
            "save_on": self.save_on,
            "every_n": self._every_n,
            "directory": None if self._directory is None else str(self._directory),
            "name_template": self._name_template,
            "max_to_keep": self._max_to_keep,
            "overwrite": self._overwrite,
            "best": self.best or None,
            "top": self.top,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)
