"""A pipeline: a named configuration that can be trained, stopped, gone on with, and used."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint
from tracker.errors import InvalidError, StateError
from tracker.pipelines.standing import Standing, look_up, verify
from tracker.recording.place import Place
from tracker.registry.checkpoints import find_checkpoint
from tracker.registry.pipelines import (
    current_run,
    find_pipeline,
    refuse_archived,
    runs_of_pipeline,
    set_note,
)
from tracker.registry.sessions import ask_stop

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from engine.phases.reporting import Reporter
    from tracker.pipelines.outcome import Outcome
    from tracker.pipelines.remaining import Remaining


class SavedState(NamedTuple):
    """A checkpoint of a pipeline's run."""

    name: str
    path: Path
    epoch: int | None  # the last one that had ended, or the one it stands in
    batch: int | None  # None: at the end of the epoch
    metric: str | None
    value: float | None
    bytes: int
    created: datetime


class Pipeline:
    """What is on record under one name; everything is looked up when it is asked for."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        with place.database.read() as session:
            row = find_pipeline(session, name)
        self.name = row.name
        self.recipe = row.recipe
        self.created = row.created
        self._config = row.config

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, which never changes."""
        return dict(self._config)

    @property
    def note(self) -> str | None:
        return look_up(self._place, self.name).pipeline.note

    @note.setter
    def note(self, text: str | None) -> None:
        with self._place.database.write() as session:
            set_note(find_pipeline(session, self.name), text)

    @property
    def archived(self) -> bool:
        return look_up(self._place, self.name).pipeline.archived is not None

    @property
    def status(self) -> str | None:
        """Its run's; None before the first training."""
        standing = look_up(self._place, self.name)
        if standing.run is None:
            return None
        vanished = standing.run.status is RunStatus.RUNNING and standing.running is None
        return (RunStatus.LOST if vanished else standing.run.status).value

    @property
    def is_running(self) -> bool:
        """Whether a living process works on it."""
        return look_up(self._place, self.name).running is not None

    @property
    def run(self) -> str | None:
        """The name of the run that training carries on; None before the first."""
        standing = look_up(self._place, self.name)
        return None if standing.run is None else standing.run.name

    @property
    def runs(self) -> list[str]:
        """The names of its runs, the oldest first."""
        with self._place.database.read() as session:
            pipeline = find_pipeline(session, self.name)
            return [run.name for run in runs_of_pipeline(session, pipeline.id)]

    # Training

    def prepare(self) -> "Experiment":
        """The engine's experiment as training would begin or go on with it, to look at and to try.

        Data, model and the rest are built; of a pipeline that was trained, the state is that of
        its last good checkpoint. Nothing that is done to it is recorded, and `train` needs no
        preparation. Where the configuration has no seed, one never trained is built with 0.
        """
        from tracker.pipelines.training import prepared  # noqa: PLC0415 - brings torch

        return prepared(self._place, self.name)

    def train(
        self,
        epochs: int | None = None,
        *,
        patience: int | None = None,
        metrics: "Sequence[str] | None" = None,
        device: str | None = None,
        time_limit: str | float | None = None,
        fresh: bool = False,
        reporters: "Sequence[Reporter]" = (),
        **options: Any,
    ) -> "Outcome":
        """Trains to a total of `epochs`, going on where it stands.

        Without `epochs`, to those configured, or to more if more were asked for before. The
        first Ctrl-C, SIGTERM and `time_limit` ("90s", "10m", "1h30m") stop it with a
        checkpoint, a second Ctrl-C interrupts at once. What fails is recorded and raised. `fresh`
        starts another run.

        On a terminal and in a notebook a bar shows the losses, or these `metrics`; one that
        nobody logs is named in the outcome's notices. Options: `progress=False` leaves drawing
        to the reporters; `log` says where this process writes what it prints, relative to the
        lab; `parent` is the process that it trains for, and stops without.
        """
        demands = {"epochs": epochs, "patience": patience, "device": device}
        return self._train(
            demands,
            metrics=_listed(metrics),
            time_limit=time_limit,
            fresh=fresh,
            reporters=reporters,
            **options,
        )

    def resume(
        self,
        epochs: int | None = None,
        *,
        patience: int | None = None,
        device: str | None = None,
        **options: Any,
    ) -> "Outcome":
        """Goes on from the last good checkpoint to what was asked of the run before.

        `options` are those of `train`, but for `fresh`. StateError if it was never trained.
        """
        self._refuse_to_go_on()
        demands = {"epochs": epochs, "patience": patience, "device": device}
        return self._train(demands, resume=True, **options)

    def remaining(
        self,
        epochs: int | None = None,
        *,
        patience: int | None = None,
        device: str | None = None,
    ) -> "Remaining":
        """What `resume` would do: from which checkpoint, and how much of each phase. A dry run.

        Raises what `resume` would raise before it trains. Early stopping may end it before.
        """
        from tracker.pipelines.recipes.base import Demands  # noqa: PLC0415 - brings torch
        from tracker.pipelines.training import Request, remaining_of  # noqa: PLC0415 - as above

        self._refuse_to_go_on()
        demands = Demands(epochs=epochs, patience=patience, device=device).checked()
        return remaining_of(self._place, self.name, Request(demands=demands, resume=True))

    def _refuse_to_go_on(self) -> None:
        standing = look_up(self._place, self.name)
        refuse_archived(standing.pipeline)
        if standing.run is None:
            raise _never_trained(self.name)

    def _train(self, demands: Mapping[str, Any], **options: Any) -> "Outcome":
        from tracker.pipelines.recipes.base import Demands  # noqa: PLC0415 - brings torch
        from tracker.pipelines.training import Request, train_pipeline  # noqa: PLC0415 - as above

        request = Request(demands=Demands(**demands).checked(), **options)
        return train_pipeline(self._place, self.name, request)

    def stop(self) -> None:
        """Asks the process that works on it to stop after its current batch, with a checkpoint.

        StateError if none does.
        """
        with self._place.database.write() as session:
            run = current_run(session, find_pipeline(session, self.name))
            if run is None:
                raise _never_trained(self.name)
            ask_stop(session, run.id)

    # What it has learned

    def checkpoint(self, which: str | int = "last") -> SavedState:
        """Its run's `last` checkpoint, the `best`, that of an epoch (from 0), or one by name.

        NotFoundError if it is not kept, DamagedFileError if its file is not what was written.
        """
        _, row = self._checkpoint(which)
        return SavedState(
            name=row.name,
            path=self._place.files.path(row.path),
            epoch=row.epoch,
            batch=row.batch,
            metric=row.metric,
            value=row.value,
            bytes=row.bytes,
            created=row.created,
        )

    def load_model(self, which: str | int = "best") -> Any:
        """The model with the weights of a checkpoint: a torch module, or a fitted estimator.

        Of a recipe with several models, all of them by label.
        """
        from tracker.pipelines.loading import load_model  # noqa: PLC0415 - brings torch

        standing, row = self._checkpoint(which)
        return load_model(self._place, standing, row)

    def _checkpoint(self, which: str | int) -> tuple[Standing, Checkpoint]:
        standing = look_up(self._place, self.name)
        if standing.run is None:
            raise _never_trained(self.name)
        with self._place.database.read() as session:
            row = find_checkpoint(session, standing.run.id, which)
        verify(self._place, row)
        return standing, row

    def __repr__(self) -> str:
        return f"<Pipeline {self.name} ({self.recipe}), {self.status or 'never trained'}>"

    @classmethod
    def create(cls, place: Place, name: str, *args: Any, **options: Any) -> Self:
        """Registers a pipeline, as `create_pipeline` says, and returns it."""
        from tracker.pipelines.creating import create_pipeline  # noqa: PLC0415 - brings torch

        create_pipeline(place, name, *args, **options)
        return cls(place, name)


def _listed(metrics: "Sequence[str] | None") -> "Sequence[str] | None":
    if isinstance(metrics, str):
        raise InvalidError(f"Metrics are a list of names, not the text {metrics!r}: [{metrics!r}].")
    return metrics


def _never_trained(name: str) -> StateError:
    return StateError(f"Pipeline {name!r} was never trained: `labkeeper train {name}`.")
