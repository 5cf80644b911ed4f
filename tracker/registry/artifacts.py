"""Files that runs keep."""

import mimetypes

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from tracker.database.tables import Artifact
from tracker.database.types import now
from tracker.errors import NotFoundError
from tracker.files import StoredFile
from tracker.registry.names import checked_name

UNKNOWN_TYPE = "application/octet-stream"


def record_artifact(
    session: Session, run_id: int, file: StoredFile, *, name: str, media_type: str | None = None
) -> list[str]:
    """Registers a file that is written and synced as the run's artifact of this name.

    It takes the place of an earlier one of that name. Returns the files to delete after the
    commit: the earlier one's, unless something else refers to it. The media type is guessed
    from the name if it is not said.
    """
    artifact = session.scalar(
        select(Artifact).where(Artifact.run_id == run_id, Artifact.name == name)
    )
    before = None if artifact is None else artifact.path
    if artifact is None:
        artifact = Artifact(run_id=run_id, name=checked_name("artifact", name))
        session.add(artifact)
    artifact.path, artifact.bytes, artifact.sha256 = file
    artifact.media_type = media_type or mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
    artifact.created = now()
    session.flush()
    if before is None or session.scalar(select(exists().where(Artifact.path == before))):
        return []
    return [before]


def artifacts_of(session: Session, run_id: int) -> list[Artifact]:
    """The run's artifacts by name."""
    artifacts = select(Artifact).where(Artifact.run_id == run_id).order_by(Artifact.name)
    return list(session.scalars(artifacts))


def find_artifact(session: Session, run_id: int, name: str) -> Artifact:
    """The run's artifact of this name; NotFoundError suggests the nearest."""
    artifacts = {artifact.name: artifact for artifact in artifacts_of(session, run_id)}
    if name not in artifacts:
        raise NotFoundError("artifact", name, artifacts)
    return artifacts[name]
