"""How far a run is, told a few times a second on the driver's connection."""

from typing import Any


def note_progress(
    connection: Any, run_id: int, *, phase: str, epoch: int | None, batch: int | None
) -> None:
    """As `runs.set_progress`, in the transaction that is under way."""
    connection.execute(
        "UPDATE runs SET phase = ?, epoch = ?, batch = ? WHERE id = ?",
        (phase, epoch, batch, run_id),
    )


def note_phase_progress(
    connection: Any, phase_result_id: int, *, epochs: int | None, batches: int | None
) -> None:
    """As `phases.set_phase_progress`, in the transaction that is under way."""
    connection.execute(
        "UPDATE phase_results SET epochs = ?, batches = ? WHERE id = ?",
        (epochs, batches, phase_result_id),
    )
