"""What a phase shows while it runs: progress bars, on a terminal or in a notebook only."""

import sys
from collections.abc import Mapping
from typing import Any

from engine.errors import UnknownFlagError, did_you_mean

# A flag's default of None means: as the place suggests, bars stay in a notebook and go on a
# terminal; for the metrics shown, the losses of both parts.
TRAIN_FLAGS: Mapping[str, Any] = {
    "show_sampler_progress": True,
    "show_training_progress": True,
    "persist_progress": None,
    "persist_epoch_progress": None,
    "val_loss_metric": "val_loss",
    "shown_metrics": None,
}
EVAL_FLAGS: Mapping[str, Any] = {"show_eval_progress": False, "persist_progress": None}
FIT_FLAGS: Mapping[str, Any] = {}
KNOWN_FLAGS = frozenset({*TRAIN_FLAGS, *EVAL_FLAGS, *FIT_FLAGS})


def check_flags(flags: Mapping[str, Any]) -> None:
    """Refuse a flag that no phase knows."""
    for flag in flags:
        if flag not in KNOWN_FLAGS:
            raise UnknownFlagError(
                f"No phase knows the flag {flag!r}.{did_you_mean(flag, KNOWN_FLAGS)}"
            )


def chosen(flags: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that concern one kind of phase, the others left at their defaults."""
    given = {flag: value for flag, value in flags.items() if flag in known}
    return {**known, **given}


def in_notebook() -> bool:
    """Whether bars are drawn by a notebook, which keeps what was drawn."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def is_watched() -> bool:
    """Whether somebody is looking: a notebook, or a terminal on stderr."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def progress_bar(total: int, label: str, *, stays: bool | None, place: int, unit: str) -> Any:
    """A bar on the terminal or in the notebook; `stays` None leaves it there in a notebook."""
    from tqdm.auto import tqdm  # noqa: PLC0415 - only where somebody is looking

    leave = in_notebook() if stays is None else stays
    return tqdm(total=total, desc=label, leave=leave, position=place, unit=unit)


class TrainDisplay:
    """One bar over the epochs with the latest losses, and one over the batches of the epoch."""

    def __init__(self, label: str, n_epochs: int, flags: Mapping[str, Any]) -> None:
        self._flags = flags
        self._epochs = progress_bar(
            n_epochs, label, stays=flags["persist_progress"], place=0, unit="epoch"
        )
        self._batches: Any = None

    def epoch_started(self, epoch: int, n_batches: int, first: int) -> None:
        self._epochs.update(epoch - self._epochs.n)
        stays = self._flags["persist_epoch_progress"]
        self._batches = progress_bar(
            n_batches, f"epoch {epoch + 1}", stays=stays, place=1, unit="batch"
        )
        self._batches.update(first)

    def batch_done(self) -> None:
        self._batches.update()

    def epoch_ended(self, values: Mapping[str, float]) -> None:
        self._close_batches()
        names = self._flags["shown_metrics"] or ("train_loss", self._flags["val_loss_metric"])
        shown = {name: f"{values[name]:.4g}" for name in names if name in values}
        self._epochs.update()
        self._epochs.set_postfix(shown)

    def close(self) -> None:
        self._close_batches()
        self._epochs.close()

    def _close_batches(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None


def train_display(label: str, n_epochs: int, flags: Mapping[str, Any]) -> TrainDisplay | None:
    """The bars of a training phase, or None where they are switched off or nobody is looking."""
    if not flags["show_training_progress"] or not is_watched():
        return None
    return TrainDisplay(label, n_epochs, flags)
