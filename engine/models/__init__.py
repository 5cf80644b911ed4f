"""Models: torch modules, scikit-learn estimators, and what makes them alike to the graph."""

from typing import TYPE_CHECKING, Any

from engine.models.backend import Backend
from engine.models.base import BaseModel
from engine.models.torch import SequentialCNN, SequentialMLP
from engine.models.torch_base import TorchBaseModel
from engine.models.torch_wrapper import TorchModelWrapper
from engine.models.wrapping import wrap_model

if TYPE_CHECKING:
    from engine.models.scikit_wrapper import ScikitModelWrapper, ScikitTrainingMode

__all__ = [
    "Backend",
    "BaseModel",
    "ScikitModelWrapper",
    "ScikitTrainingMode",
    "SequentialCNN",
    "SequentialMLP",
    "TorchBaseModel",
    "TorchModelWrapper",
    "wrap_model",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to import, and graphs of torch modules do without it.
    if name in ("ScikitModelWrapper", "ScikitTrainingMode"):
        from engine.models import scikit_wrapper  # noqa: PLC0415 - see above

        return getattr(scikit_wrapper, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
