"""From what a user has to what the graph works with."""

from typing import Any

import torch

from engine.errors import ModelError
from engine.models.base import BaseModel
from engine.models.torch_wrapper import TorchModelWrapper


def wrap_model(model: Any) -> BaseModel:
    """A model for any torch module, class of torch modules or scikit-learn estimator."""
    if isinstance(model, BaseModel):
        return model
    if isinstance(model, torch.nn.Module):
        return TorchModelWrapper(model=model)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model()  # type: ignore[call-arg]  # a class that can be used has defaults
    if isinstance(model, type) and issubclass(model, torch.nn.Module):
        return TorchModelWrapper(model_class=model)
    return _wrap_estimator(model)


def _wrap_estimator(model: Any) -> BaseModel:
    # scikit-learn takes a second to import, and graphs of torch modules do without it.
    from sklearn.base import BaseEstimator  # noqa: PLC0415 - see above

    from engine.models.scikit_wrapper import ScikitModelWrapper  # noqa: PLC0415 - see above

    if isinstance(model, BaseEstimator):
        return ScikitModelWrapper(model)
    if isinstance(model, type) and issubclass(model, BaseEstimator):
        return ScikitModelWrapper(model())
    raise ModelError(
        f"Cannot make a model of {model!r}: it is neither a torch module nor a scikit-learn "
        "estimator."
    )
