"""Remembers, arranges and shows what ran in a machine-learning lab.

from tracker import Lab

with Lab.init("lab").run("first", params={"lr": 0.1}) as run:
    run.log(loss=0.3, step=0)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.lab import Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    # SQLAlchemy, which a lab needs, takes a quarter of a second to import.
    if name != "Lab":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tracker.lab import Lab  # noqa: PLC0415 - see above

    return Lab
