"""Several logs as one, by rules that are said beforehand; nobody is asked."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tracker.errors import InvalidError, NotFoundError
from tracker.pipelines.identity import canonical, plain
from tracker.sweeps.config import Config
from tracker.sweeps.log.fields import dropped, renamed, static_as_grid
from tracker.sweeps.log.table import Row, Table, content, identity, recorded

# What `drop_duplicates` keeps of rows that differ: one of them by place, or what a function
# makes of their metrics.
Keep = str | Callable[[list[dict[str, Any]]], Mapping[str, Any]] | None


@dataclass(frozen=True)
class MergeRules:
    """What holds for fields that not every log has.

    First `rename` ({old: new}) in each log that has the old name, then `drop`, then `fill`
    ({field: value}): what the value was in the logs that do not have the field. A field in
    `absent` may be missing; rows of the logs without it do not have it.
    """

    fill: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    absent: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuses one name where a list belongs: its letters would be taken for names."""
        for name in ("drop", "absent"):
            if isinstance(getattr(self, name), str):
                raise InvalidError(f"{name} is a list of fields: [{getattr(self, name)!r}].")

    def named(self) -> set[str]:
        """Every field that a rule is about, by the name that a log has."""
        return {*self.fill, *self.rename, *self.drop, *self.absent}


@dataclass(frozen=True)
class NamedTable:
    """A log's content, and what to call it in an error."""

    name: str
    table: Table


def missing_fields(logs: Sequence[NamedTable], rules: MergeRules) -> dict[str, list[str]]:
    """The fields of configurations that some log lacks once the rules are applied: who does."""
    tables = [(log.name, _configured(_ruled(log.table, rules))) for log in logs]
    every = list(dict.fromkeys(name for _, names in tables for name in names))
    lacking = {name: [log for log, names in tables if name not in names] for name in every}
    return {name: who for name, who in lacking.items() if who and name not in rules.absent}


def resolved(logs: Sequence[NamedTable], rules: MergeRules, *, same: bool) -> list[Table]:
    """Each log as the rules make it. With `same`, all must then have the same fields.

    InvalidError names the fields that some log lacks, and a rule about no log's field.
    """
    known = {name for log in logs for name in log.table.fields} | set(rules.rename.values())
    for name in sorted(rules.named() - known):
        raise NotFoundError("field", name, known)
    if same and (missing := missing_fields(logs, rules)):
        shown = "; ".join(f"{name!r} is not in {_some(who)}" for name, who in missing.items())
        raise InvalidError(
            f"The logs are not of the same experiment: {shown}. Say what holds with rules (fill,"
            " rename, drop or absent), or merge logs that differ with same=False."
        )
    return [_ruled(log.table, rules) for log in logs]


def merged(tables: Sequence[Table]) -> Table:
    """The rows of all, in order; those that say the same stand once.

    A static value that is not the same everywhere becomes a field of the grid, after those of
    the first log; metrics follow those of the first.
    """
    shared = _shared_static(tables)
    moved = [
        static_as_grid(table, [name for name in table.static if name not in shared])
        for table in tables
    ]
    return Table(
        moved[0].static,
        _union(table.grid_fields for table in moved),
        _union(table.metric_fields for table in moved),
        tuple(_each_once([row for table in moved for row in table.rows])),
    )


def without_duplicates(table: Table, keep: Keep) -> Table:
    """One row for each configuration, where the first of them stands.

    Of rows that differ, `keep` says which: "first", "last", or a function of their metrics that
    returns the metrics to keep. Without it, InvalidError tells where they differ.
    """
    if not callable(keep) and keep not in (None, "first", "last"):
        raise InvalidError(f"Of duplicates, keep 'first', 'last' or a function, not {keep!r}.")
    groups = _by_configuration(table)
    differing = [rows for rows in groups if len(rows) > 1]
    if differing and keep is None:
        raise InvalidError(_differences(differing))
    return table.with_rows(_kept(rows, keep) for rows in groups)


def conflicting(table: Table) -> list[Config]:
    """The configurations whose rows differ."""
    return [rows[0].config for rows in _by_configuration(table) if len(rows) > 1]


def _by_configuration(table: Table) -> list[list[Row]]:
    """The rows of each configuration that do not say the same."""
    groups: dict[str, list[Row]] = {}
    for row in _each_once(table.rows):
        groups.setdefault(identity(row.config), []).append(row)
    return list(groups.values())


def _each_once(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows without those that say the same as an earlier one."""
    keys = [identity(row.config) for row in rows]
    counts = Counter(keys)
    seen = set()
    for key, row in zip(keys, rows, strict=True):
        if counts[key] > 1:  # what it costs to compare results, most rows need not pay
            if (said := content(row)) in seen:
                continue
            seen.add(said)
        yield row


def _kept(rows: list[Row], keep: Keep) -> Row:
    if len(rows) == 1 or keep == "first":
        return rows[0]
    if keep == "last":
        return rows[-1]
    assert callable(keep)  # noqa: S101 - checked by the caller
    kept = keep([dict(row.metrics) for row in rows])
    return rows[0]._replace(metrics={name: recorded(name, v) for name, v in kept.items()})


def _differences(groups: list[list[Row]]) -> str:
    rows = groups[0]
    config = rows[0].config.to_dict()
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    odd = [name for name in names if len({content(_only(row, name)) for row in rows}) > 1]
    many = f"{len(groups):,} configurations have" if len(groups) > 1 else "One configuration has"
    return (
        f"{many} rows that differ, as {config} in {_some(odd)}. Say which to keep:"
        " keep='first', keep='last', or a function of their metrics."
    )


def _only(row: Row, name: str) -> Row:
    return row._replace(metrics={name: row.metrics[name]} if name in row.metrics else {})


def _ruled(table: Table, rules: MergeRules) -> Table:
    table = renamed(table, {old: new for old, new in rules.rename.items() if old in table.fields})
    table = dropped(table, [name for name in rules.drop if name in table.fields])
    fill = {
        name: plain(value, path=name)
        for name, value in rules.fill.items()
        if name not in _configured(table)
    }
    return replace(table, static=Config(table.static | fill)) if fill else table


def _configured(table: Table) -> list[str]:
    return [*table.static, *table.grid_fields]


def _shared_static(tables: Sequence[Table]) -> set[str]:
    """The static values that all have, and that are the same in all."""
    first, *others = tables
    return {
        name
        for name, value in first.static.items()
        if all(
            name in other.static and canonical(other.static[name]) == canonical(value)
            for other in others
        )
    }


def _union(fields: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in fields for name in names))


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(map(repr, names[:limit]))
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
