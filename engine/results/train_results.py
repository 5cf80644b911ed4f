"""Results of a training phase."""

from dataclasses import dataclass

from engine.results.metric_store import TRAIN_LOSS
from engine.results.phase_results import PhaseResults


@dataclass(eq=False, repr=False)
class TrainResults(PhaseResults):
    """Batches by epoch, as far as they were recorded, and metrics of every epoch."""

    @property
    def epoch_indices(self) -> list[int]:
        """The epochs that were run, recorded or not."""
        recorded = {ctx.epoch_idx for ctx in self._execution}
        logged = {entry.epoch_idx for entry in self._metrics.entries() if entry.name == TRAIN_LOSS}
        return sorted(recorded | logged)

    @property
    def n_epochs(self) -> int:
        return len(self.epoch_indices)

    def keep_epoch(self, epoch: int) -> None:
        """Forget the batches and evaluations of all other epochs."""
        self._execution = [ctx for ctx in self._execution if ctx.epoch_idx == epoch]
        self._callbacks = [
            one for one in self._callbacks if one.kind != "evaluation" or one.epoch_idx == epoch
        ]
