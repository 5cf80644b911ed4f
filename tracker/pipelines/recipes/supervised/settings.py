"""What a supervised pipeline's configuration may hold, and its full form."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tracker.pipelines.documents import Document, KeyPath, dotted
from tracker.pipelines.recipes.base import CHECKPOINTS, COMMON, DEVICES
from tracker.pipelines.schema import (
    Setting,
    boolean,
    check_mapping,
    either,
    fields,
    mapping,
    names,
    number,
    one_of,
    text,
    whole,
)

PARTS = ("train", "validate", "test")
# A location without a dot is short for one in here: `Adam` for `torch.optim.Adam`.
NAMESPACES = {
    "loss": "torch.nn",
    "optimizer": "torch.optim",
    "scheduler": "torch.optim.lr_scheduler",
    "scale": "sklearn.preprocessing",
}
# The scalers that scikit-learn lacks.
OWN_SCALERS = ("Absolute", "Negate", "PerSampleMinMaxScaler", "PerSampleZeroStart")
FILES = (".csv", ".parquet", ".npz")

_COMPONENT = {"loc": Setting(text, required=True), "args": Setting(mapping)}
_component = either(str, text, fields(_COMPONENT))


def _device(document: Document, path: KeyPath, value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch(DEVICES, value):
        raise document.error(path, f"{dotted(path)} must be auto, cpu or cuda, not {value!r}.")


def _dataset(document: Document, path: KeyPath, value: Any) -> None:
    if isinstance(value, dict) and "file" in value:
        fields({"file": Setting(_data_file, required=True), "args": Setting(mapping)})(
            document, path, value
        )
    else:
        _component(document, path, value)


def _data_file(document: Document, path: KeyPath, value: Any) -> None:
    text(document, path, value)
    if not value.lower().endswith(FILES):
        raise document.error(
            path, f"{dotted(path)} must end in {', '.join(FILES)}, and this is {value!r}."
        )


def _scale(document: Document, path: KeyPath, value: Any) -> None:
    if isinstance(value, dict) and "loc" not in value:
        fields({"features": Setting(_component), "target": Setting(_component)})(
            document, path, value
        )
    else:
        _component(document, path, value)


def _metrics(document: Document, path: KeyPath, value: Any) -> None:
    if not isinstance(value, dict):
        names(document, path, value)
        return
    for name, metric in value.items():
        if metric is not None:
            fields({"loc": Setting(text), "args": Setting(mapping)})(
                document, (*path, name), metric
            )


_SPLIT = {
    **{part: Setting(number(0, 1)) for part in PARTS},
    "stratify": Setting(names),
    "group": Setting(names),
    "by": Setting(text),
    "seed": Setting(whole(0)),
}
_STRATEGY = {
    "monitor": Setting(text),
    "mode": Setting(one_of("min", "max")),
    "patience": Setting(whole(1)),
    "min_delta": Setting(number(0)),
    "restore_best": Setting(boolean),
    "checkpoints": CHECKPOINTS,
}
_SCHEDULER = {
    **_COMPONENT,
    "interval": Setting(one_of("epoch", "step")),
    "monitor": Setting(text),
}
SETTINGS = {
    **COMMON,
    "dataset": Setting(_dataset, required=True),
    "features": Setting(names),
    "target": Setting(names),
    "split": Setting(fields(_SPLIT)),
    "scale": Setting(_scale),
    "model": Setting(_component, required=True),
    "loss": Setting(_component),
    "optimizer": Setting(_component),
    "scheduler": Setting(either(str, text, fields(_SCHEDULER))),
    "metrics": Setting(_metrics),
    "batch_size": Setting(whole(1)),
    "eval_batch_size": Setting(whole(1)),
    "shuffle": Setting(boolean),
    "epochs": Setting(whole(1)),
    "strategy": Setting(fields(_STRATEGY)),
    "device": Setting(_device),
    "non_finite": Setting(one_of("stop", "warn", "ignore")),
    "gradient_norm": Setting(boolean),
    "gradients": Setting(whole(1)),
}
# What only training by gradient steps has a use for.
GRADIENT_SETTINGS = (
    "loss",
    "optimizer",
    "scheduler",
    "batch_size",
    "shuffle",
    "epochs",
    "strategy",
    "non_finite",
    "gradient_norm",
    "gradients",
)


def full_form(document: Document) -> Document:
    """Checks keys and types, and writes every component out as location and arguments.

    Shorthand and its full form are the same configuration from here on.
    """
    check_mapping(document, (), document.data, SETTINGS)
    config = {"recipe": "supervised", **_present(document.data)}
    for key in ("dataset", "model", "loss", "optimizer", "scheduler"):
        if key in config:
            config[key] = _full_component(config[key], NAMESPACES.get(key))
    if "scale" in config:
        config["scale"] = _full_scale(config["scale"])
    if "metrics" in config:
        config["metrics"] = _full_metrics(config["metrics"])
    for key in ("features", "target"):
        if isinstance(config.get(key), list) and len(config[key]) == 1:
            config[key] = config[key][0]
    return replace(document, data=config)


def _present(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _full_component(value: Any, namespace: str | None) -> dict[str, Any]:
    component = {"loc": value} if isinstance(value, str) else dict(value)
    if isinstance(value, str) and value.lower().endswith(FILES):
        return {"file": value}
    if namespace and re.fullmatch(r"\w+", component["loc"]):
        component["loc"] = f"{namespace}.{component['loc']}"
    return {key: inner for key, inner in component.items() if inner not in (None, {})}


def _full_scale(value: Any) -> dict[str, Any]:
    whole_value = {"features": value} if isinstance(value, str) or "loc" in value else value
    return {
        domain: _full_component(scaler, _scaler_namespace(scaler))
        for domain, scaler in whole_value.items()
        if scaler is not None
    }


def _scaler_namespace(scaler: Any) -> str:
    loc = scaler if isinstance(scaler, str) else scaler["loc"]
    return "engine.scalers" if loc in OWN_SCALERS else NAMESPACES["scale"]


def _full_metrics(value: Any) -> list[str] | dict[str, Any]:
    """Names in alphabetical order; a mapping only where one of them has settings of its own."""
    metrics = metric_settings({"metrics": value})
    return dict(sorted(metrics.items())) if any(metrics.values()) else sorted(metrics)


def metric_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is set for each metric by name; nothing for one that is named alone."""
    value = config.get("metrics") or []
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, Mapping):
        return {name: _present(metric or {}) for name, metric in value.items()}
    return {name: {} for name in value}
