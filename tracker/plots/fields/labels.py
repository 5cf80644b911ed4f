"""What a legend says about each run: as little as tells them apart."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

import pandas as pd

from tracker.plots.fields.values import Value, text_of

LONGEST = 44
_KEY = re.compile(r"[\w.]+")
MOST_PARAMETERS = 2

# What names a run, as against what it was made with.
_NAMES = ("experiment", "pipeline", "name", "phase", "started", "seed")

# Fields whose values say what they are values of.
_TELLING = ("run", "metric", "experiment", "pipeline", "name", "phase")


def run_labels(runs: pd.DataFrame, keys: Sequence[str] = ()) -> dict[Hashable, str]:
    """A label for each run in the index of `runs`, all different.

    A run is called after its pipeline where that is enough, else by its own name, and the
    experiment comes first only if there are several. The phase follows where it is said, and
    then `keys`, or if none were asked for and names are not enough, the parameters that differ,
    where they are at most two.
    """
    names = _shortest_names(runs)
    shown = list(keys) or ([] if _telling(list(names.values())) else _differing(runs))
    labels = {
        run: shortened(" ".join([names[run], *_settings(row, shown)]))
        for run, row in zip(runs.index, runs.to_dict("records"), strict=True)
    }
    return _made_unique(labels)


def line_labels(
    lines: Sequence[Mapping[str, Value]], counts: Sequence[tuple[int, int]] = ()
) -> list[str]:
    """What a legend says of lines that differ by fields: only what differs between them.

    `counts` are the fewest and the most runs that each is the mean of, and are shown where
    lines differ in them.
    """
    fields = [name for name in dict.fromkeys(chain.from_iterable(lines)) if _differs(lines, name)]
    tails = [_tail(name) for name in fields]
    names = tails if len(set(tails)) == len(tails) else fields
    labels = []
    for number, line in enumerate(lines):
        words = [
            text_of(line.get(field)) if field in _TELLING else f"{name}={text_of(line.get(field))}"
            for name, field in zip(names, fields, strict=True)
        ]
        if len(set(counts)) > 1:
            least, most = counts[number]
            words.append(f"(n={most})" if least == most else f"(n={least}-{most})")
        labels.append(shortened(" ".join(words)))
    return labels


def _differs(lines: Sequence[Mapping[str, Value]], field: str) -> bool:
    return len({line.get(field) for line in lines}) > 1


def shortened(label: str) -> str:
    """The label, its middle left out if it is longer than a legend can bear."""
    if len(label) <= LONGEST:
        return label
    head = LONGEST // 2
    return f"{label[:head]}…{label[head + 1 - LONGEST :]}"


def _shortest_names(runs: pd.DataFrame) -> dict[Hashable, str]:
    """The first way of naming that tells all lines apart, else the longest."""
    phases = [f" {phase}" if isinstance(phase, str) else "" for phase in _column(runs, "phase")]

    def named(names: Iterable[object]) -> list[str]:
        return [f"{name}{phase}" for name, phase in zip(names, phases, strict=True)]

    pipelines, experiments = _column(runs, "pipeline"), _column(runs, "experiment")
    own = runs["name"].tolist() if "name" in runs else list(map(str, runs.index))
    if all(isinstance(name, str) for name in pipelines) and _telling(named(pipelines)):
        names = named(pipelines)
    elif _telling(named(own)) or None in experiments or len(set(experiments)) == 1:
        names = named(own)
    else:
        names = named(f"{place}/{name}" for place, name in zip(experiments, own, strict=True))
    return dict(zip(runs.index, names, strict=True))


def _column(runs: pd.DataFrame, name: str) -> list[Any]:
    return runs[name].tolist() if name in runs else [None] * len(runs)


def _telling(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _differing(runs: pd.DataFrame) -> list[str]:
    """The parameters that differ between the runs; none at all if they are too many to read."""
    varying = [
        str(key)
        for key in runs.columns
        if key not in _NAMES and len({text_of(value) for value in runs[key]}) > 1
    ]
    return varying if len(varying) <= MOST_PARAMETERS else []


def _settings(row: Mapping[Hashable, Any], keys: Sequence[str]) -> list[str]:
    tails = [_tail(key) for key in keys]
    whole = [key.removeprefix("params.") for key in keys]
    names = tails if len(set(tails)) == len(tails) else whole
    return [f"{name}={text_of(row.get(key))}" for name, key in zip(names, keys, strict=True)]


def _tail(key: str) -> str:
    """The last part of a dotted key; an expression as it is."""
    return key.rsplit(".", 1)[-1] if _KEY.fullmatch(key) else key


def _made_unique(labels: dict[Hashable, str]) -> dict[Hashable, str]:
    """Equal labels are numbered, so that no two lines share a legend entry."""
    taken: set[str] = set()
    unique = {}
    for run, label in labels.items():
        numbered = (f"{label} [{number}]" for number in count(2))
        unique[run] = next(name for name in chain([label], numbered) if name not in taken)
        taken.add(unique[run])
    return unique
