"""A whole experiment as a configuration, and as one file."""

import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.callbacks.checkpointing import Checkpointing
from engine.callbacks.experiment_callback import ExperimentCallback
from engine.context import ExperimentContext
from engine.errors import CheckpointError
from engine.experiment.checkpoints import take_snapshots
from engine.experiment.data import restore_data, saved_data
from engine.experiment.keeping import Keeping
from engine.experiment.position import Item, find_place, item_at
from engine.graph import ModelGraph
from engine.phases.describing import described, rebuilt
from engine.phases.group import PhaseGroup, rebuilt_item
from engine.phases.snapshot import Snapshot
from engine.saving import Savable, from_form, loading, location_of, read_file
from engine.saving.aside import aside, registers

if TYPE_CHECKING:
    from engine.features import FeatureSet


class Filing(Keeping, Savable):
    """The part of Experiment by which another process can go on with it."""

    saved_as = "experiment"
    _ctx: ExperimentContext
    _plan: PhaseGroup
    _callbacks: list[ExperimentCallback]

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Graph, plan, callbacks and settings as plain values; nothing that was learned or run."""
        return {
            "label": self.label,
            "registration_policy": self._ctx.registration_policy.value,
            "seed": self.seed,
            "checkpointing": described(self._checkpointing),
            "callbacks": [described(callback) for callback in self._callbacks],
            "model_graph": described(self.model_graph),
            "execution_plan": self._plan.get_config(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The experiment that `get_config` described, on the feature sets of the active context.

        Its nodes and the graph are registered there, or nothing is.
        """
        context = ExperimentContext.active_or_default()
        registered = registers(context)
        with aside() as made:
            experiment = cls._assembled(config, made)
        experiment._settle(context if registered else made, config)  # noqa: SLF001 - one of ours
        return experiment

    @classmethod
    def _assembled(cls, config: Mapping[str, Any], context: ExperimentContext) -> Self:
        callbacks = [rebuilt(one, ExperimentCallback) for one in config["callbacks"]]
        experiment: Self = cls(  # type: ignore[call-arg]  # Experiment's arguments
            config["label"], ctx=context, callbacks=callbacks, seed=config["seed"]
        )
        if config["model_graph"] is not None:
            rebuilt(config["model_graph"], ModelGraph)
        experiment._plan = PhaseGroup.from_config(config["execution_plan"])
        if config["checkpointing"] is not None:
            experiment.attach_checkpointing(rebuilt(config["checkpointing"], Checkpointing))
        return experiment

    def _settle(self, context: ExperimentContext, config: Mapping[str, Any]) -> None:
        """Belong to this context from now on."""
        graph = self.model_graph
        self._ctx = context
        if graph is not None:
            graph.ctx = context
        context.set_experiment(self)  # type: ignore[arg-type]  # it is one
        context.set_registration_policy(config["registration_policy"])

    # Files

    def save(
        self,
        filepath: str | Path,
        *,
        overwrite: bool = False,
        package_code: bool = False,
        featuresets: bool = True,
    ) -> Path:
        """Write everything that another process needs to go on into one file, whole or not at all.

        That is graph, plan and callbacks, all that was learned, the place where a stopped run
        stands, the scalars of the history, and the feature sets. Without `featuresets` only their
        fingerprints are kept, and `load` needs the sets themselves. Checkpoints stay where they
        are. See `Savable.save` for the rest.
        """
        form = partial(self._form, whole=featuresets)
        return self._write(
            filepath, form, overwrite=overwrite, package_code=package_code, large=True
        )

    @classmethod
    def load(
        cls,
        filepath: str | Path,
        *,
        checkpoint_dir: str | Path | None = None,
        allow_packaged_code: bool = False,
        overwrite: bool = False,
        featuresets: "Iterable[FeatureSet]" = (),
    ) -> Self:
        """The experiment in a file that `save` wrote, in the active context; `resume` goes on.

        `featuresets` stand for those of equal label in the file. Sets that are not in the file are
        looked for in the active context; any other content than the saved one's is a
        ResolutionError. Checkpoints are looked for in `checkpoint_dir`, or where they were.

        A label that is taken is an error, unless the context's policy or `overwrite` says
        otherwise. Nothing is registered, or changed, if anything fails. See `Savable.load` for
        the rest.
        """
        path, folder = cls._found(filepath), checkpoint_dir and Path(checkpoint_dir)
        if folder and not folder.is_dir():
            raise CheckpointError(f"There is no directory {folder} to find checkpoints in.")
        saved, meta = read_file(
            path, cls.saved_as, trusted=allow_packaged_code, trusted_by="allow_packaged_code"
        )
        context = ExperimentContext.active_or_default()
        registered = registers(context)
        with aside(overwrite=overwrite) as made:
            with loading(path, meta, allow_packaged_code=allow_packaged_code):
                saved = from_form(saved)
                restore_data(saved["feature_sets"], made, featuresets)
                experiment = cls.from_saved_form(saved)
                missing = experiment._find_checkpoints(saved, folder or None)  # noqa: SLF001 - one of ours
            if missing:
                _warn_of_missing(path, missing)
        experiment._settle(context if registered else made, saved["config"])  # noqa: SLF001 - as above
        return experiment

    def saved_form(self) -> dict[str, Any]:
        """Shares memory with the experiment, to be written to a file at once."""
        return self._form(whole=True)

    def _form(self, *, whole: bool) -> dict[str, Any]:
        if self._execution is not None:
            raise CheckpointError(
                f"{self._execution.root.label!r} is being run. Stop it first with request_stop(), "
                "or save a checkpoint."
            )
        graph = self.model_graph
        state = {**self.progress(), "graph": graph and graph.get_state(copy=False)}
        snapshots = take_snapshots(state)
        return {
            "class": location_of(type(self)),
            "config": self.get_config(),
            "feature_sets": saved_data(self._ctx.available_featuresets.values(), whole=whole),
            "state": state,
            "snapshots": {key: one.get_state() for key, one in snapshots.items()},
            "root": self._root_form(),
            "metadata": [run.metadata for run in self._history],
            "checkpoints": self._files.get_state(),
        }

    def _root_form(self) -> dict[str, Any] | None:
        """What was run and stopped: where it is in the plan, or what it is."""
        root = None if self._position is None else self._position.root
        if root is None or root is self._plan:
            return None
        place = find_place(self._plan, root)
        return {"item": described(root)} if place is None else {"place": list(place)}

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        """What `saved_form` described, on the feature sets of the active context."""
        experiment = cls.class_in(saved).from_config(saved["config"])
        experiment._take(saved)  # noqa: SLF001 - one of ours
        return experiment

    def _take(self, saved: Mapping[str, Any]) -> None:
        """Take over all that was not configuration, with its memory."""
        state = saved["state"]
        position = state["position"]
        if position is not None and position["phase"] is not None:
            position["phase"]["snapshots"] = {
                key: Snapshot.from_state(one) for key, one in saved["snapshots"].items()
            }
        take_progress = self.taking_progress(state)
        graph = self.model_graph
        if graph is not None:
            graph.restore(state["graph"])
        take_progress()
        if self._position is not None:
            self._position.root = self._root(saved["root"])
        for run, metadata in zip(self._history, saved["metadata"], strict=True):
            run.metadata = dict(metadata)

    def _find_checkpoints(self, saved: Mapping[str, Any], folder: Path | None) -> list[str]:
        """The names of those that are neither where they were nor in the given folder."""
        missing = self._files.set_state(saved["checkpoints"], folder)
        self.count_on(saved["state"])
        return missing

    def _root(self, form: Mapping[str, Any] | None) -> Item | None:
        if form is None:
            return None
        if "place" in form:
            return item_at(self._plan, form["place"])
        return rebuilt_item(form["item"])


def _warn_of_missing(path: Path, names: list[str]) -> None:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    warnings.warn(
        f"The experiment in {path} had {len(names)} checkpoints that are not where they were: "
        f"{shown}. Say where they are with checkpoint_dir.",
        stacklevel=3,
    )
