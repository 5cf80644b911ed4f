"""Remembers, arranges and shows what ran in a machine-learning lab.

from tracker import Lab

with Lab.init("lab").run("first", params={"lr": 0.1}) as run:
    run.log(loss=0.3, step=0)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.lab import Lab
    from tracker.recording.checkpoints import CheckpointPolicy

__all__ = ["CheckpointPolicy", "Lab"]

_ROOM_OF = {"CheckpointPolicy": "tracker.recording.checkpoints", "Lab": "tracker.lab"}


def __getattr__(name: str) -> Any:
    # SQLAlchemy, which a lab needs, takes a quarter of a second to import.
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOM_OF[name]), name)
