"""Recorded tensors in other forms and units."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.errors import DataError, PhaseError
from engine.features.formats import DataFormat
from engine.features.samples import OUTPUTS
from engine.features.schema import SAMPLE_UUIDS, TAGS, TARGETS

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetReference

DOMAINS = (OUTPUTS, TARGETS, TAGS, SAMPLE_UUIDS)


def as_format(values: Any, fmt: str | DataFormat) -> Any:
    """A tensor or array as numpy, torch or a list; text stays what it is."""
    wanted = DataFormat.from_value(fmt)
    if wanted is DataFormat.TORCH:
        numeric = isinstance(values, np.ndarray) and values.dtype.kind in "biuf"
        return torch.from_numpy(values) if numeric else values
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    if wanted is DataFormat.NUMPY:
        return array
    if wanted is DataFormat.LIST:
        return array.tolist()
    raise DataError(f"Tensors come as numpy, torch or list, not {wanted.value!r}.")


def unscaled(
    values: Any, domain: str, feature_set: "FeatureSet", reference: "FeatureSetReference"
) -> Any:
    """Outputs or targets in the units of the target columns as they came."""
    if domain not in (OUTPUTS, TARGETS):
        raise PhaseError(f"Only outputs and targets can be unscaled, not {domain}.")
    data = as_format(values, DataFormat.NUMPY)
    original = feature_set.unscale_data_for_cols(
        data=data, domain=TARGETS, columns=list(reference.targets)
    )
    return torch.from_numpy(original) if isinstance(values, torch.Tensor) else original
