"""Warnings that point to the user's line, however deep in the engine they arise."""

import sys
import warnings
from pathlib import Path

_ENGINE = str(Path(__file__).parent)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is not the engine's own."""
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 - as the warnings module does itself
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_ENGINE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
