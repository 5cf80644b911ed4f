"""Scaling the columns of a feature set, fitted to the part it is trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.features import FeatureSet
from engine.scalers import Scaler
from tracker.pipelines.components import Component, make
from tracker.pipelines.recipes.supervised.datasets import Data

DOMAINS = {"features": "features", "target": "targets"}


def scale(data: Data, config: Mapping[str, Any], directory: Path) -> None:
    """Scales features and target as `config`, the `scale` setting in full form, says.

    Plain columns are scaled together; a column of arrays by itself, each position on its own.
    """
    columns = {"features": data.features, "targets": data.targets}
    for key, domain in DOMAINS.items():
        if config.get(key) is None:
            continue
        component = Component.parse(config[key])
        for names, n_axes in _alike(data.feature_set, domain, columns[domain]):
            data.feature_set.fit_transform(
                Scaler(make(component, directory)),
                domain=domain,
                keys=names,
                fit_to_split=data.parts["train"],
                merged_axes=tuple(range(1, n_axes)) if n_axes > 2 else None,
            )


def _alike(
    feature_set: FeatureSet, domain: str, names: Sequence[str]
) -> list[tuple[list[str], int]]:
    """Columns that are scaled together, with the axes that they make, samples and columns first."""
    shapes = {
        "features": feature_set.get_feature_shapes,
        "targets": feature_set.get_target_shapes,
    }[domain](include_domain_prefix=False, include_rep_suffix=False)
    plain = [name for name in names if not shapes[name]]
    arrays = [([name], 2 + len(shapes[name])) for name in names if shapes[name]]
    return [*([(plain, 2)] if plain else []), *arrays]
