"""Recorded tensors in other forms and units."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from engine.errors import DataError, PhaseError
from engine.features.formats import DataFormat
from engine.features.samples import OUTPUTS
from engine.features.schema import REP_RAW, SAMPLE_UUIDS, TAGS, TARGETS, Column

if TYPE_CHECKING:
    from engine.features import FeatureSet

DOMAINS = (OUTPUTS, TARGETS, TAGS, SAMPLE_UUIDS)


class TargetColumns(NamedTuple):
    """What a node's outputs stand for: columns by full name, and the feature set of theirs."""

    feature_set: "FeatureSet"
    columns: tuple[str, ...]


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


def unscaled(values: Any, domain: str, parts: Sequence[TargetColumns]) -> Any:
    """Outputs or targets in the units of the target columns as they came.

    Those of several feature sets stand side by side in the last dimension.
    """
    if domain not in (OUTPUTS, TARGETS):
        raise PhaseError(f"Only outputs and targets can be unscaled, not {domain}.")
    data = as_format(values, DataFormat.NUMPY)
    if len(parts) > 1:
        widths = [len(part.columns) for part in parts]
        if data.ndim != 2 or data.shape[1] != sum(widths):
            raise PhaseError(
                f"Values of shape {data.shape} do not stand for {sum(widths)} target columns of "
                f"{', '.join(part.feature_set.label for part in parts)} side by side."
            )
        blocks = np.split(data, np.cumsum(widths)[:-1], axis=1)
        pairs = zip(blocks, parts, strict=True)
        original = np.concatenate([_unscaled(block, part) for block, part in pairs], axis=1)
    else:
        original = _unscaled(data, parts[0])
    return torch.from_numpy(original) if isinstance(values, torch.Tensor) else original


def _unscaled(data: Any, part: TargetColumns) -> Any:
    raw = [Column.parse(column).rep == REP_RAW for column in part.columns]
    if all(raw):
        return data
    original = part.feature_set.unscale_data_for_cols(
        data=data, domain=TARGETS, columns=list(part.columns)
    )
    if any(raw):
        # These are in the units of the data already.
        blocks = (data.reshape(len(data), len(raw), -1), original.reshape(len(data), len(raw), -1))
        original = np.where(np.array(raw)[:, None], *blocks).reshape(data.shape)
    return original
