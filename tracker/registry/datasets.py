"""Data that runs saw, known by its content."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from tracker.database.tables import Dataset, Run, RunDataset
from tracker.database.types import now
from tracker.registry.names import checked_name


def record_dataset(
    session: Session, run_id: int, *, name: str, fingerprint: str, rows: int, columns: Sequence[str]
) -> int:
    """Says that the run saw this data; returns the dataset's id.

    The same name with another fingerprint is another dataset.
    """
    find = select(Dataset.id).where(Dataset.name == name, Dataset.fingerprint == fingerprint)
    dataset_id = session.scalar(find)
    if dataset_id is None:
        dataset = Dataset(
            name=checked_name("dataset", name),
            fingerprint=fingerprint,
            rows=rows,
            columns=list(columns),
            created=now(),
        )
        session.add(dataset)
        session.flush()
        dataset_id = dataset.id
    seen = {"run_id": run_id, "dataset_id": dataset_id}
    session.execute(insert(RunDataset).on_conflict_do_nothing(), [seen])
    return dataset_id


def datasets_of(session: Session, run_id: int) -> list[Dataset]:
    """The data that the run saw, in the order in which it was first recorded."""
    return list(
        session.scalars(
            select(Dataset)
            .join(RunDataset, RunDataset.dataset_id == Dataset.id)
            .where(RunDataset.run_id == run_id)
            .order_by(Dataset.id)
        )
    )


def runs_that_saw(session: Session, fingerprint: str) -> list[Run]:
    """The runs that saw data with this content, the oldest first; not those in the trash."""
    return list(
        session.scalars(
            select(Run)
            .join(RunDataset, RunDataset.run_id == Run.id)
            .join(Dataset, Dataset.id == RunDataset.dataset_id)
            .where(Dataset.fingerprint == fingerprint, Run.deleted.is_(None))
            .order_by(Run.id)
            .distinct()
        )
    )
