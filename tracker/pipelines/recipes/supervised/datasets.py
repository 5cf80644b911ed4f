"""From what a dataset function returns to a feature set with its parts.

A function may return a FeatureSet, a DataFrame, an Arrow table, a mapping of columns, a
scikit-learn Bunch or a pair (X, y); or a mapping of parts (train, validate, test) to any of
the last five.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from engine.errors import DataError
from engine.features import FeatureSet
from tracker.errors import InvalidError, NotFoundError, did_you_mean
from tracker.pipelines.components import Component, make
from tracker.pipelines.recipes.supervised.settings import PARTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABEL = "data"
PART = "part"
# What parts may be called in data that comes with them.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "validate": "validate",
    "validation": "validate",
    "val": "validate",
    "valid": "validate",
    "test": "test",
}


@dataclass(frozen=True)
class Data:
    """A feature set with the parts it is divided into, and which columns are used."""

    feature_set: FeatureSet
    features: list[str]
    targets: list[str]
    parts: dict[str, str]  # ours -> the split's name in the feature set


@dataclass
class _Table:
    """Columns by name, and which of them a feature or target is when nobody says."""

    columns: dict[str, Any]
    features: list[str]
    targets: list[str]


def load_data(config: Mapping[str, Any], directory: Path) -> Data:
    """The data of a supervised pipeline, divided into its parts.

    Text, categories and truth values as target become class indices in sorted order.
    """
    raw = _raw(config["dataset"], directory)
    if isinstance(raw, FeatureSet):
        return _of_feature_set(raw, config)
    given = _given_parts(raw)
    tables = {part: _table(data, config) for part, data in given.items()}
    table = _stacked(tables) if tables else _table(raw, config)
    chosen = _chosen(table, config)
    columns = _converted(table.columns, chosen)
    feature_set = FeatureSet.from_dict(LABEL, columns, chosen.features, chosen.targets, chosen.tags)
    if tables:
        parts = _split_by(feature_set, PART, list(tables))
    else:
        parts = _split(feature_set, config.get("split"))
    return Data(feature_set, chosen.features, chosen.targets, parts)


def _raw(dataset: Mapping[str, Any], directory: Path) -> Any:
    if "file" not in dataset:
        return make(Component.parse(dataset), directory)
    path, args = directory / dataset["file"], dict(dataset.get("args") or {})
    suffix = path.suffix.lower()
    try:
        if suffix == ".npz":
            with np.load(path, allow_pickle=False, **args) as arrays:
                return {name: arrays[name] for name in arrays.files}
        return (pd.read_csv if suffix == ".csv" else pd.read_parquet)(path, **args)
    except FileNotFoundError:
        raise NotFoundError("file", str(path)) from None
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InvalidError(f"The data in {path} cannot be read: {reason}") from error


# What came back


def _given_parts(raw: Any) -> dict[str, Any]:
    """The parts of a dataset that comes divided; empty for one that does not."""
    if not isinstance(raw, Mapping) or not raw or not set(raw) <= set(PART_NAMES):
        return {}
    if any(not isinstance(data, tuple | list | Mapping | pd.DataFrame) for data in raw.values()):
        return {}
    parts = {PART_NAMES[name]: data for name, data in raw.items()}
    if "train" not in parts:
        raise InvalidError(f"The dataset has the parts {', '.join(raw)}, and none to train on.")
    return parts


def _table(raw: Any, config: Mapping[str, Any]) -> _Table:
    targets = _listed(config.get("target"))
    if isinstance(raw, pa.Table):
        raw = raw.to_pandas()
    if isinstance(raw, pd.DataFrame):
        columns = {str(name): raw[name] for name in raw.columns}
        return _Table(columns, list(columns), [])
    if isinstance(raw, Mapping) and "data" in raw and "target" in raw:
        return _of_bunch(raw, targets, _listed(config.get("features")))
    if isinstance(raw, Mapping):
        columns = {str(name): values for name, values in raw.items()}
        return _Table(columns, list(columns), [])
    if isinstance(raw, tuple | list) and len(raw) == 2:
        return _of_pair(raw[0], raw[1], targets)
    raise InvalidError(
        f"The dataset is a {type(raw).__name__}; wanted is a FeatureSet, a DataFrame, a mapping"
        " of columns, a pair (X, y) or a Bunch."
    )


def _of_bunch(bunch: Mapping[str, Any], targets: list[str], features: list[str]) -> _Table:
    """scikit-learn's: one column `x`, unless single features are asked for by name."""
    names = [str(name) for name in bunch.get("feature_names", [])]
    data = bunch["data"]
    if isinstance(data, np.ndarray) and features and set(features) <= set(names):
        data = pd.DataFrame(data, columns=names)
    return _of_pair(data, bunch["target"], targets, known=names)


def _of_pair(x: Any, y: Any, targets: list[str], *, known: Sequence[str] = ()) -> _Table:
    columns = (
        {str(name): x[name] for name in x.columns} if isinstance(x, pd.DataFrame) else {"x": x}
    )
    features = list(columns)
    if isinstance(y, pd.DataFrame):
        outcome = {str(name): y[name] for name in y.columns}
    else:
        name = targets[0] if len(targets) == 1 else str(getattr(y, "name", None) or "y")
        outcome = {name: y}
    for name in outcome:
        if name in columns or name in known:
            raise InvalidError(f"The target cannot be called {name!r}: a feature is.")
    return _Table({**columns, **outcome}, features, list(outcome))


def _stacked(tables: Mapping[str, _Table]) -> _Table:
    """The parts' tables one below the other, with a column that says which part a row is of."""
    first = tables["train"]
    for part, table in tables.items():
        for name in first.columns:
            if name not in table.columns:
                raise NotFoundError(f"column of the part {part!r}", name, table.columns)
    columns = {
        name: np.concatenate([_array(table.columns[name]) for table in tables.values()])
        for name in first.columns
    }
    lengths = [len(next(iter(table.columns.values()))) for table in tables.values()]
    columns[PART] = np.repeat(np.array(list(tables), dtype=object), lengths)
    return _Table(columns, first.features, first.targets)


def _array(values: Any) -> "NDArray[Any]":
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


# Which columns


@dataclass(frozen=True)
class _Chosen:
    features: list[str]
    targets: list[str]
    tags: list[str]


def _chosen(table: _Table, config: Mapping[str, Any]) -> _Chosen:
    split = config.get("split") or {}
    asked = {key: _listed(split.get(key)) for key in ("stratify", "group", "by")}
    targets = _listed(config.get("target")) or table.targets
    if not targets:
        raise InvalidError(
            f"The setting 'target' is missing: which of the columns"
            f" {', '.join(table.columns)} is to be predicted?"
        )
    divided = [*asked["group"], *asked["by"]]
    features = _listed(config.get("features")) or [
        name for name in table.features if name not in {*targets, *divided}
    ]
    for name in [*targets, *features, *asked["stratify"], *divided]:
        if name not in table.columns:
            hint = did_you_mean(name, table.columns) or f" It has: {', '.join(table.columns)}."
            raise InvalidError(f"There is no column named {name!r} in the dataset.{hint}")
    for name in targets:
        if name in features:
            raise InvalidError(f"The column {name!r} is a feature and the target at once.")
    tags = [name for names in asked.values() for name in names if name not in {*features, *targets}]
    if PART in table.columns and PART not in {*features, *targets}:
        tags.append(PART)
    return _Chosen(features, targets, list(dict.fromkeys(tags)))


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


# Their types


def _converted(columns: Mapping[str, Any], chosen: _Chosen) -> dict[str, Any]:
    converted = {name: columns[name] for name in chosen.tags}
    converted |= {name: _feature(name, columns[name]) for name in chosen.features}
    return converted | {name: _target(columns[name]) for name in chosen.targets}


def _feature(name: str, values: Any) -> Any:
    """Plain columns become float, so that several of them go together; arrays stay."""
    if getattr(values, "ndim", 1) != 1:
        return values
    series = pd.Series(values)
    if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(series.iloc[0] if len(series) else None, list | tuple | np.ndarray):
        return values
    example = next(iter(series), None)
    raise DataError(
        f"The feature {name!r} holds {example!r}: a feature must be numbers. Encode it, or leave"
        " it out of the features."
    )


def _target(values: Any) -> Any:
    if getattr(values, "ndim", 1) != 1 or isinstance(values, torch.Tensor):
        return values
    series = pd.Series(values)
    kinds = pd.api.types
    named = not kinds.is_numeric_dtype(series.dtype) or kinds.is_bool_dtype(series.dtype)
    if not named or series.isna().any():
        return values
    return np.unique(series.astype(str).to_numpy(dtype=str), return_inverse=True)[1]


# The parts


def _of_feature_set(feature_set: FeatureSet, config: Mapping[str, Any]) -> Data:
    features = _listed(config.get("features")) or feature_set.index.keys("features")
    targets = _listed(config.get("target")) or feature_set.index.keys("targets")
    if not targets:
        raise InvalidError(f"The feature set {feature_set.label!r} has no targets.")
    if config.get("split") is not None or not feature_set.available_splits:
        return Data(feature_set, features, targets, _split(feature_set, config.get("split")))
    parts = {PART_NAMES[name]: name for name in feature_set.available_splits if name in PART_NAMES}
    if "train" not in parts:
        raise NotFoundError("split", "train", feature_set.available_splits)
    return Data(feature_set, features, targets, parts)


def _split(feature_set: FeatureSet, split: Mapping[str, Any] | None) -> dict[str, str]:
    if split is None:
        feature_set.add_split(feature_set.take(range(len(feature_set)), label="train"))
        return {"train": "train"}
    if split.get("by") is not None:
        return _split_by(feature_set, split["by"], None)
    ratios = {part: split[part] for part in PARTS if split.get(part)}
    seed = {} if split.get("seed") is None else {"seed": split["seed"]}
    feature_set.split_random(
        ratios, group_by=split.get("group"), stratify_by=split.get("stratify"), **seed
    )
    return {part: part for part in ratios}


def _split_by(feature_set: FeatureSet, column: str, parts: list[str] | None) -> dict[str, str]:
    """Parts by a column that names each row's."""
    found = [str(name) for name in np.unique(_values(feature_set, column))]
    for name in found:
        if name not in PART_NAMES:
            raise NotFoundError(f"part (in the column {column!r})", name, PART_NAMES)
    if parts is None and not any(PART_NAMES[name] == "train" for name in found):
        raise InvalidError(f"The column {column!r} gives no row to the part 'train'.")
    feature_set.split_by_condition({PART_NAMES[name]: {column: name} for name in found})
    return {PART_NAMES[name]: PART_NAMES[name] for name in found}


def _values(feature_set: FeatureSet, column: str) -> "NDArray[Any]":
    data = feature_set.get_data(columns=column, fmt="dict_numpy")
    return np.asarray(next(iter(data.values())), dtype=str)
