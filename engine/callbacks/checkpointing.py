"""When checkpoints are made, what they are called, and which stay."""

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from engine.errors import PhaseError, did_you_mean

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


@dataclass(frozen=True)
class SavedOnDisk:
    """A checkpoint file, and the file with the best weights that it refers to."""

    path: Path
    best: Path | None = None


class Checkpointing:
    """Saves state at the chosen hooks, every `every_n`-th time each of them comes.

    In memory mode a training phase keeps the model graph's states. In disk mode a training phase
    and an experiment alike write checkpoints from which a run goes on exactly. With `max_to_keep`
    the oldest are forgotten and their files removed.
    """

    def __init__(
        self,
        *,
        mode: Mode = "memory",
        save_on: str | list[str] = "epoch_end",
        every_n: int = 1,
        directory: Path | str | None = None,
        name_template: str | None = None,
        max_to_keep: int | None = None,
        overwrite: bool = True,
    ) -> None:
        if mode not in ("memory", "disk"):
            raise PhaseError(f"Checkpointing has the modes 'memory' and 'disk', not {mode!r}.")
        self._save_on = [save_on] if isinstance(save_on, str) else list(save_on)
        self._check_hooks(self._save_on, {*TRAIN_HOOKS, *EXPERIMENT_HOOKS}, "checkpointing")
        self._mode: Mode = mode
        self._every_n = _positive("every_n", every_n)
        self._max_to_keep = None if max_to_keep is None else _positive("max_to_keep", max_to_keep)
        self._directory = None if directory is None else Path(directory)
        self._name_template = name_template
        self._overwrite = overwrite
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
    def overwrite(self) -> bool:
        return self._overwrite

    # Being attached

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
        found = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        for name in sorted(found - allowed):
            raise PhaseError(
                f"The name template {template!r} uses {{{name}}}; {context_name} fills in only "
                f"{', '.join(f'{{{known}}}' for known in sorted(allowed))}."
            )

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

    # What there is

    @property
    def saved_keys(self) -> list[int | str]:
        """The keys of the checkpoints that are kept, sorted, numbers first."""
        keys = [*self._states, *self._files]
        return sorted(keys, key=lambda key: (isinstance(key, str), key))

    @property
    def saved_paths(self) -> dict[int | str, Path]:
        """The files by key, the oldest first."""
        return {key: saved.path for key, saved in self._files.items()}

    def has_key(self, key: int | str) -> bool:
        return key in self._states or key in self._files

    def get_state(self, key: int | str) -> dict[str, Any] | None:
        """The state kept in memory under this key; None where there is none."""
        return self._states.get(key)

    def get_path(self, key: int | str) -> Path | None:
        """The file of this key; None where there is none."""
        saved = self._files.get(key)
        return saved.path if saved is not None and saved.path.exists() else None

    def record_memory(self, key: int | str, state: dict[str, Any]) -> None:
        self._states.pop(key, None)
        self._states[key] = state
        while self._max_to_keep is not None and len(self._states) > self._max_to_keep:
            del self._states[next(iter(self._states))]

    def record_disk(self, key: int | str, path: Path, *, best: Path | None = None) -> None:
        """Count this file among those kept; what is one too many is removed, the oldest first."""
        self._files.pop(key, None)
        self._files[key] = SavedOnDisk(Path(path), best)
        while self._max_to_keep is not None and len(self._files) > self._max_to_keep:
            self._remove(next(iter(self._files)))

    @contextmanager
    def expecting(self, key: int | str, path: Path) -> Iterator[None]:
        """While a checkpoint is written, it counts itself among those that there are."""
        self._expected[key] = SavedOnDisk(path)
        try:
            yield
        finally:
            self._expected.clear()

    def _remove(self, key: int | str) -> None:
        saved = self._files.pop(key)
        saved.path.unlink(missing_ok=True)
        still_named = {kept.best for kept in self._files.values()}
        if saved.best is not None and saved.best not in still_named:
            saved.best.unlink(missing_ok=True)

    def reset(self) -> None:
        """Forget what was counted and kept; files stay."""
        self._counts: dict[str, int] = {}
        self._states: dict[int | str, dict[str, Any]] = {}
        self._files: dict[int | str, SavedOnDisk] = {}
        self._expected: dict[int | str, SavedOnDisk] = {}

    # Going on from a checkpoint

    def get_progress(self, folder: Path | None) -> dict[str, Any]:
        """The counts and the kept files, so that a resumed run goes on as if uninterrupted."""
        files = {**self._files, **self._expected} if folder is not None else {}
        named = [
            [key, saved.path.name, None if saved.best is None else saved.best.name]
            for key, saved in files.items()
        ]
        return {"counts": dict(self._counts), "files": named}

    def set_progress(self, progress: Mapping[str, Any], folder: Path | None) -> None:
        """Take back what `get_progress` gave; files that are gone are left out."""
        self.reset()
        self._counts = dict(progress["counts"])
        for key, name, best in progress["files"] if folder is not None else ():
            if (folder / name).exists():
                self._files[key] = SavedOnDisk(folder / name, best and folder / best)

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
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise PhaseError(f"{name} is a count of at least 1, not {value!r}.")
    return value
