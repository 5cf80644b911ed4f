"""What can be known to be wrong with a supervised configuration before any data is there."""

from pathlib import Path
from typing import Any, Literal

from tracker.errors import ComponentError, NotFoundError, did_you_mean
from tracker.filters.goals import known_goal
from tracker.pipelines.components import Component, make
from tracker.pipelines.documents import Document, KeyPath, dotted
from tracker.pipelines.recipes.base import check_component, located, value_at
from tracker.pipelines.recipes.supervised.scores import SCORES
from tracker.pipelines.recipes.supervised.settings import GRADIENT_SETTINGS, PARTS, metric_settings

ModelKind = Literal["torch", "scikit"]


def check_supervised(document: Document, directory: Path) -> None:
    """Raises the first error among components, their arguments and what does not go together."""
    _check_dataset(document, directory)
    _check_split(document)
    kind = kind_of(check_component(document, ("model",), directory), document.data)
    _check_made(document, directory, "loss", "optimizer", "scheduler", "scale")
    _check_metrics(document, directory)
    if kind == "torch":
        _check_needed(document)
        _check_monitor(document)
    else:
        _check_without_gradients(document)


def kind_of(model: Any, config: dict[str, Any]) -> ModelKind:
    """How a model learns: known from its class, else guessed from what is configured."""
    import torch  # noqa: PLC0415 - seconds, and only needed where a pipeline is made
    from sklearn.base import BaseEstimator  # noqa: PLC0415 - as above

    kind = model if isinstance(model, type) else type(model)
    if issubclass(kind, BaseEstimator):
        return "scikit"
    if issubclass(kind, torch.nn.Module):
        return "torch"
    return "torch" if config.get("optimizer") or config.get("loss") else "scikit"


def metric_names(config: dict[str, Any]) -> list[str]:
    """What a training by gradient steps logs each epoch."""
    named = list(metric_settings(config))
    validated = ["val_loss", *(f"val_{name}" for name in named)] if validates(config) else []
    norm = ["gradient_norm"] if config.get("gradient_norm") else []
    return ["train_loss", *norm, *validated]


def validates(config: dict[str, Any]) -> bool:
    """Whether there may be a part to validate on; one that comes with the data is not known."""
    split = config.get("split") or {}
    return not any(part in split for part in PARTS) or bool(split.get("validate"))


def _check_dataset(document: Document, directory: Path) -> None:
    dataset = document.data["dataset"]
    if "file" not in dataset:
        check_component(document, ("dataset",), directory)
        return
    path = directory / dataset["file"]
    if not path.is_file():
        place = document.place(("dataset", "file")) or document.place(("dataset",))
        near = [
            str(found.relative_to(directory)) for found in path.parent.glob("*") if found.is_file()
        ]
        error = NotFoundError("file", dataset["file"], near)
        raise document.error(("dataset", "file"), f"dataset: {error}") if place else error


def _check_split(document: Document) -> None:
    split = document.data.get("split")
    if split is None:
        return
    ratios = {part: split[part] for part in PARTS if split.get(part) is not None}
    total = sum(ratios.values())
    if split.get("by") is not None:
        extra = [key for key in split if key != "by"]
        if extra:
            raise document.error(
                ("split", extra[0]), f"split.by names the parts itself; leave out {extra[0]!r}."
            )
    elif "train" not in ratios:
        raise document.error(("split",), "the setting 'train' is missing in split.")
    elif abs(total - 1) > 1e-9 or not ratios["train"]:
        shown = " + ".join(f"{part} {ratio:g}" for part, ratio in ratios.items())
        raise document.error(("split",), f"split: {shown} is {total:g}; the parts must sum to 1.")
    if split.get("stratify") is not None and split.get("group") is not None:
        raise document.error(("split", "group"), "split: stratify and group exclude each other.")


def _check_made(document: Document, directory: Path, *keys: str) -> None:
    """Makes what is cheap to make, so that a value it refuses is told now."""
    for key in keys:
        if key == "scale":
            for domain in document.data.get("scale") or {}:
                _try(document, ("scale", domain), directory)
        elif document.data.get(key) is not None:
            _try(document, (key,), directory)


def _try(document: Document, path: KeyPath, directory: Path) -> None:
    import torch  # noqa: PLC0415 - as above

    given: dict[str, Any] = {}
    if path[0] == "optimizer":
        given = {"params": [torch.nn.Parameter(torch.zeros(1))]}
    elif path[0] == "scheduler":
        given = {"optimizer": torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)}
    target = check_component(document, path, directory, given=tuple(given))
    if not isinstance(target, type):
        return  # a function: who knows what it does
    component = Component.parse(value_at(document, path))
    try:
        make(component, directory, *given.values())
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        refusal = ComponentError(f"{component.loc} refuses its arguments: {reason}")
        raise located(document, path, refusal) from error


def _check_metrics(document: Document, directory: Path) -> None:
    for name, metric in metric_settings(document.data).items():
        path: KeyPath = ("metrics", name)
        if metric.get("loc") is not None:
            check_component(document, path, directory, given=("targets", "outputs"))
        elif name not in SCORES:
            hint = did_you_mean(name, SCORES) or f" Known: {', '.join(sorted(SCORES))}."
            raise document.error(path, f"there is no metric {name!r}.{hint}")


def _check_needed(document: Document) -> None:
    for key in ("loss", "optimizer"):
        if document.data.get(key) is None:
            raise document.error(
                (), f"the setting {key!r} is missing, which a torch model is trained with."
            )


def _check_monitor(document: Document) -> None:
    known = metric_names(document.data)
    for path in (("strategy", "monitor"), ("scheduler", "monitor")):
        settings = document.data.get(path[0]) or {}
        monitored = settings.get("monitor")
        if monitored is not None and monitored not in known:
            hint = did_you_mean(monitored, known) or f" Logged are: {', '.join(known)}."
            raise document.error(path, f"nothing logs the metric {monitored!r}.{hint}")
    monitored = (document.data.get("strategy") or {}).get("monitor")
    mode = (document.data.get("strategy") or {}).get("mode")
    if monitored is not None and mode is None and known_goal(monitored) is None:
        raise document.error(
            ("strategy", "monitor"),
            f"is {monitored} better low or high? Set strategy.mode to min or max.",
        )
    if "patience" in (document.data.get("strategy") or {}) and not validates(document.data):
        monitored = document.data["strategy"].get("monitor")
        if monitored is None:
            raise document.error(
                ("strategy", "patience"),
                "strategy.patience waits for val_loss, and there is no part to validate on;"
                " set split.validate or strategy.monitor.",
            )


def _check_without_gradients(document: Document) -> None:
    for key in GRADIENT_SETTINGS:
        if document.data.get(key) is not None:
            raise document.error(
                (key,),
                f"{dotted((key,))} means nothing to {document.data['model']['loc']}, which is"
                " fitted in one go; leave it out.",
            )
