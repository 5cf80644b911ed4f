"""The feature sets of a saved experiment: in its file, or known by their contents."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from engine.context import ExperimentContext
from engine.errors import FileFormatError, ResolutionError, did_you_mean
from engine.features import FeatureSet
from engine.features.identity import fingerprint
from engine.features.schema import REP_RAW
from engine.saving import locate, location_of


def saved_data(sets: Iterable[FeatureSet], *, whole: bool) -> list[dict[str, Any]]:
    """What each set is known by and, if they are to be kept `whole`, all that is in it."""
    return [
        {
            "label": one.label,
            "identity": identity(one),
            "class": location_of(type(one)),
            "state": one.get_state() if whole else None,
        }
        for one in sets
    ]


def restore_data(
    saved: Iterable[Mapping[str, Any]],
    context: ExperimentContext,
    given: Iterable[FeatureSet],
) -> None:
    """Have every saved set registered in the context, with the content that it had.

    Each is one of those `given`, else that in the file, else that in the context already.
    """
    described = {str(one["label"]): one for one in saved}
    by_label = {one.label: one for one in given}
    for label in by_label:
        if label not in described:
            hint = did_you_mean(label, described)
            raise ResolutionError(f"The experiment has no feature set {label!r}.{hint}")
    for label, one in described.items():
        found = by_label.get(label)
        if found is None and one["state"] is not None:
            found = _made(label, one)
        if found is None:
            found = _found(label, context)
        _check_identity(found, one["identity"])
        context.register_experiment_node(found)


def identity(feature_set: FeatureSet) -> dict[str, Any]:
    """Hashes of what a run depends on: the raw columns, the scaled ones, the splits' rows."""
    table = feature_set.collection.table
    scaled = [column.name for column in feature_set.index.columns if column.rep != REP_RAW]
    return {
        "fingerprint": feature_set.fingerprint,
        "scaled": {name: fingerprint([(name, table[name])]) for name in scaled},
        "splits": {
            name: hashlib.sha256(feature_set.get_split(name).indices.tobytes()).hexdigest()
            for name in feature_set.available_splits
        },
    }


def _made(label: str, saved: Mapping[str, Any]) -> FeatureSet:
    found = locate(saved["class"])
    if not (isinstance(found, type) and issubclass(found, FeatureSet)):
        raise FileFormatError(f"{saved['class']} is no FeatureSet")
    made = found.from_config({"label": label}, register=False)
    made.set_state(saved["state"])
    return made


def _found(label: str, context: ExperimentContext) -> FeatureSet:
    if not context.has_node(label=label):
        raise ResolutionError(
            f"The feature set {label!r} is not in the file. Make it first, as it was when the "
            "experiment was saved, or give it with featuresets=[...]."
        )
    found: FeatureSet = context.get_node(label, enforce_type=FeatureSet)
    return found


def _check_identity(feature_set: FeatureSet, saved: Mapping[str, Any]) -> None:
    """Refuse a set on which the experiment would not go on as it began."""
    label, own = feature_set.label, identity(feature_set)
    if own["fingerprint"] != saved["fingerprint"]:
        raise _other(label, "its raw columns differ")
    for kind, what in (("splits", "split"), ("scaled", "column")):
        for name, expected in saved[kind].items():
            if name not in own[kind]:
                raise _other(label, f"it has no {what} {name!r}")
            if own[kind][name] != expected:
                differs = "has other rows" if kind == "splits" else "is scaled otherwise"
                raise _other(label, f"its {what} {name!r} {differs}")


def _other(label: str, why: str) -> ResolutionError:
    return ResolutionError(
        f"The feature set {label!r} is not the one that the experiment was saved with: {why}."
    )
