"""How a model learns, asked without importing scikit-learn."""

from engine.models.backend import Backend
from engine.models.base import BaseModel


def learns_by_batch(model: BaseModel) -> bool:
    """Whether the model learns from one batch after the other, without gradients."""
    return _mode(model) == "partial_fit"


def fits_at_once(model: BaseModel) -> bool:
    """Whether the model can be fitted on everything at once."""
    return model.backend is Backend.SCIKIT and model.training_mode.value != "partial_fit"  # type: ignore[attr-defined]  # estimators have it


def _mode(model: BaseModel) -> str | None:
    if model.backend is not Backend.SCIKIT:
        return None
    mode: str = model.resolved_training_mode.value  # type: ignore[attr-defined]  # as above
    return mode
