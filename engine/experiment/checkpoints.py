"""Checkpoints of an experiment as files."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.callbacks.naming import checked_name
from engine.callbacks.pins import is_pinned, make_room
from engine.errors import CheckpointError, NoCheckpointError, nearest_and_known
from engine.graph.state import is_in, reference_to, referred_graph
from engine.phases.checkpoints_due import Due
from engine.phases.snapshot import Snapshot
from engine.saving import SavedFile, read_file, write_file

if TYPE_CHECKING:
    from engine.callbacks.checkpointing import Checkpointing
    from engine.experiment.keeping import Keeping
    from engine.phases.train import TrainPhase

SUFFIX = ".ckpt"
# The names of files with the best weights, which checkpoints refer to.
_BEST = re.compile(r"best-[0-9a-f]{16}\.")
KIND = "experiment checkpoint"
BEST_KIND = "best weights"


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint's file, and the files that it refers to: with best weights, with the graph."""

    path: Path
    bytes: int
    sha256: str
    best: SavedFile | None = None
    # The checkpoint that holds the graph for it; None: it does so itself.
    graph: SavedFile | None = None
    # The first of the best weights, with their epoch and value.
    snapshot: Snapshot | None = None

    @property
    def best_path(self) -> Path | None:
        return None if self.best is None else self.best.path


class CheckpointFiles:
    """The checkpoints of one experiment: where they lie, by which names, and what they refer to."""

    def __init__(self, experiment: "Keeping") -> None:
        self._experiment = experiment
        self.directory: Path | None = None
        self.by_name: dict[str, Path] = {}
        self._warned: set[Path] = set()
        # The best weights that were written last, so that they are written once.
        self._best: tuple[dict[str, Snapshot], SavedFile] | None = None
        # The checkpoint with a graph in it that was written or read last.
        self._whole: SavedFile | None = None

    # Writing

    def write(
        self, path: Path, meta: Mapping[str, Any] | None, *, sharing: bool = False
    ) -> SavedCheckpoint:
        if is_pinned(path):
            raise CheckpointError(
                f"The checkpoint {path} is pinned and is not overwritten. Unpin it first, with "
                "experiment.unpin_checkpoint(path), or use another name."
            )
        state = self._experiment.live_state()
        snapshots = take_snapshots(state)
        best = self._write_best(path, snapshots) if snapshots else None
        state["best"] = best and {"file": best.path.name, "sha256": best.sha256}
        # A checkpoint refers to one file at most.
        shared = self._shared(path, state["graph"]) if sharing and best is None else None
        if shared is not None:
            state |= {"graph": None, "graph_in": reference_to(shared, state["graph"])}
        saved = write_file(path, KIND, state, meta=meta)
        if shared is None:
            self._whole = saved
        kept = next(iter(snapshots.values()), None)
        return SavedCheckpoint(saved.path, saved.bytes, saved.sha256, best, shared, kept)

    def _shared(self, beside: Path, graph: Mapping[str, Any]) -> SavedFile | None:
        """The latest checkpoint in this folder, if its graph is just this one."""
        whole = self._whole
        if whole is None or whole.path.parent != beside.parent or whole.path == beside:
            return None
        return whole if is_in(whole.path, graph) else None

    def _write_best(self, beside: Path, snapshots: dict[str, Snapshot]) -> SavedFile:
        if self._best is not None:
            known, saved = self._best
            same = known.keys() == snapshots.keys() and all(
                known[key] is snapshot for key, snapshot in snapshots.items()
            )
            if same and saved.path.parent == beside.parent and saved.path.exists():
                return saved
        payload = {key: snapshot.get_state() for key, snapshot in snapshots.items()}
        # Named by its content: equal weights are one file, and no checkpoint's best is overwritten.
        name = f"best-{{sha256}}{beside.suffix or SUFFIX}"
        saved = write_file(beside.with_name(name), BEST_KIND, payload)
        self._best = (dict(snapshots), saved)
        return saved

    def save(
        self, path: Path, name: str, *, overwrite: bool, meta: Mapping[str, Any] | None = None
    ) -> SavedCheckpoint:
        """Write one under a name."""
        if path.exists() and not overwrite:
            raise CheckpointError(
                f"There is a checkpoint {path} already. Use another name, or overwrite=True."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        saved = self.write(path, meta)
        self.by_name[name] = saved.path
        return saved

    def named(self, name: str) -> Path:
        """Where a checkpoint of this name belongs."""
        return self.folder(name) / f"{checked_name(name)}{SUFFIX}"

    def folder(self, name: str) -> Path:
        """The directory, in which something of this name is to be saved."""
        if self.directory is None:
            raise CheckpointError(
                f"There is no directory to save {name!r} in. Set one with "
                "experiment.set_checkpoint_dir(path)."
            )
        return self.directory

    def save_for(self, checkpointing: "Checkpointing", folder: Path, due: Due) -> None:
        """Save for a Checkpointing, which then decides what else may go."""
        path = folder / f"{checked_name(due.name)}{SUFFIX}"
        if checkpointing.overwrite:
            path = make_room(path)
        if not checkpointing.saved_paths:
            self._warn_of_others(folder)
        with checkpointing.expecting(due.key, path, due.values):
            known_as = replace(due, name=path.stem).known_as
            saved = self.save(path, known_as, overwrite=checkpointing.overwrite)
        checkpointing.record_disk(due.key, path, best=saved.best_path, values=due.values)
        self._forget_removed()

    def take_up(
        self,
        checkpointing: "Checkpointing",
        folder: Path | None,
        progress: Mapping[str, Any],
        folds: Sequence[str] = (),
    ) -> None:
        """Let a Checkpointing go on as the restored checkpoint says."""
        best = None if self._best is None else self._best[1].path
        checkpointing.set_progress(progress, folder, best=best)
        for path in checkpointing.saved_paths.values():
            self.by_name.setdefault("/".join((*folds, path.stem)), path)

    def training_folder(self, phase: "TrainPhase", folds: Sequence[str] = ()) -> Path:
        checkpointing = phase.checkpointing
        if checkpointing is not None and checkpointing.directory is not None:
            return checkpointing.directory.joinpath(*folds)
        if self.directory is None:
            raise CheckpointError(
                f"The phase {phase.label!r} saves to disk and has no directory: give its "
                "Checkpointing one, or the experiment, with set_checkpoint_dir(path)."
            )
        return self.directory.joinpath(*folds, phase.label)

    def _warn_of_others(self, folder: Path) -> None:
        if folder in self._warned:
            return
        self._warned.add(folder)
        there = set(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else set()
        others = there - set(self.by_name.values())
        if others:
            warnings.warn(
                f"{folder} already holds {len(others)} checkpoints, which are not this run's; "
                "those of equal names are overwritten.",
                stacklevel=2,
            )

    def _forget_removed(self) -> None:
        """Drop the names whose files retention has removed."""
        self.by_name = {name: path for name, path in self.by_name.items() if path.exists()}

    # In the file of a whole experiment

    def get_state(self) -> dict[str, Any]:
        """Where the checkpoints lie, and by which names; not what is in them."""
        return {
            "directory": None if self.directory is None else str(self.directory.absolute()),
            "files": {name: str(path.absolute()) for name, path in self.by_name.items()},
        }

    def set_state(self, saved: Mapping[str, Any], folder: Path | None) -> list[str]:
        """Look for what `get_state` named, in another folder if one is given.

        Returns the names of the checkpoints that are not there.
        """
        directory = None if saved["directory"] is None else Path(saved["directory"])
        paths = {name: Path(path) for name, path in saved["files"].items()}
        if folder is not None:
            paths = {name: folder / _inside(directory, path) for name, path in paths.items()}
        self.directory = folder or directory or self.directory
        self.by_name = {name: path for name, path in paths.items() if path.is_file()}
        return [name for name in paths if name not in self.by_name]

    # Reading

    def find(self, name_or_path: str | Path) -> Path:
        """The file of a registered name, of a name in the directory, or at a path."""
        if isinstance(name_or_path, str) and name_or_path in self.by_name:
            return self.by_name[name_or_path]
        path = Path(name_or_path)
        candidates = [path, path.with_name(f"{path.name}{SUFFIX}")]
        if self.directory is not None:
            candidates += [self.directory / one for one in candidates]
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        hint = nearest_and_known(str(name_or_path), self._names())
        raise CheckpointError(
            f"There is no checkpoint {str(name_or_path)!r}, by name or path.{hint}"
        )

    def _names(self) -> set[str]:
        """What is registered, and what an earlier process has left in the directory."""
        names = {*self.by_name}
        if (folder := self.directory) is not None:
            registered = {path.absolute() for path in self.by_name.values()}
            names |= {
                path.relative_to(folder).as_posix().removesuffix(SUFFIX)
                for path in folder.rglob(f"*{SUFFIX}")
                if path.absolute() not in registered and not _BEST.match(path.name)
            }
        return names

    def read(self, path: Path, *, sha256: str | None, trusted: bool) -> dict[str, Any]:
        """The state in a checkpoint, with the best weights it refers to; or a graph's alone."""
        state, _ = read_file(path, sha256=sha256, trusted=trusted)
        if not isinstance(state, dict) or not ("position" in state or "nodes" in state):
            raise NoCheckpointError(
                f"{path} is no checkpoint: it holds neither an experiment's state nor a graph's."
            )
        if "nodes" in state:
            return {"graph": state}
        if shared := state.pop("graph_in", None):
            state["graph"] = referred_graph(path, shared, trusted=trusted)
            self._whole = _described(path.with_name(shared["file"]), shared["sha256"])
        elif sha256 is not None:
            self._whole = _described(path, sha256)
        snapshots, best, self._best = {}, state.pop("best"), None
        if best is not None:
            snapshots = self._read_best(path, best, trusted=trusted)
        if state["position"] is not None and state["position"]["phase"] is not None:
            state["position"]["phase"]["snapshots"] = snapshots
        return dict(state)

    def _read_best(
        self, path: Path, best: Mapping[str, str], *, trusted: bool
    ) -> dict[str, Snapshot]:
        beside = path.with_name(best["file"])
        if not beside.is_file():
            raise CheckpointError(
                f"The checkpoint {path} refers to the best weights in {beside.name}, and that "
                "file is not beside it."
            )
        payload, _ = read_file(beside, BEST_KIND, sha256=best["sha256"], trusted=trusted)
        snapshots = {key: Snapshot.from_state(state) for key, state in payload.items()}
        self._best = (dict(snapshots), _described(beside, best["sha256"]))
        return snapshots


def take_snapshots(state: dict[str, Any]) -> dict[str, Snapshot]:
    """The large states of callbacks, taken out of the experiment's."""
    if state["position"] is None:
        return {}
    position = dict(state["position"])
    snapshots: dict[str, Snapshot] = position.pop("elsewhere", {})
    if position["phase"] is not None:
        phase = dict(position["phase"])
        snapshots = phase.pop("snapshots", {})
        position["phase"] = phase
    state["position"] = position
    return snapshots


def _described(path: Path, sha256: str) -> SavedFile:
    return SavedFile(path, path.stat().st_size, sha256)


def _inside(directory: Path | None, path: Path) -> Path:
    """The path below the directory that checkpoints were saved in."""
    if directory is not None and path.is_relative_to(directory) and ".." not in path.parts:
        return path.relative_to(directory)
    return Path(path.name)
