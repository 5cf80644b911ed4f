"""The names of columns, `domain.key.rep`, and how a selector finds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from engine.errors import DataError, UnknownLabelError

FEATURES = "features"
TARGETS = "targets"
TAGS = "tags"
DOMAINS = (FEATURES, TARGETS, TAGS)
SAMPLE_UUIDS = "sample_uuids"

REP_RAW = "raw"
REP_TRANSFORMED = "transformed"

REPS = (REP_RAW, REP_TRANSFORMED)

Selector = str | Sequence[str] | None


class Column(NamedTuple):
    """One column: a key of a domain, in one representation."""

    domain: str
    key: str
    rep: str

    @property
    def name(self) -> str:
        return f"{self.domain}.{self.key}.{self.rep}"

    @classmethod
    def parse(cls, name: str) -> "Column":
        domain, _, rest = name.partition(".")
        key, _, rep = rest.rpartition(".")
        if domain not in DOMAINS or not key or rep not in REPS:
            raise DataError(
                f"{name!r} is not a column's full name: that is domain.key.representation, "
                f"the domain one of {', '.join(DOMAINS)}, the representation {' or '.join(REPS)}."
            )
        return cls(domain, key, rep)


@dataclass(frozen=True)
class SampleSchema:
    """Which plain columns of a table are features, targets and tags."""

    features: str | Sequence[str]
    targets: str | Sequence[str] = ()
    tags: str | Sequence[str] = field(default=())

    def columns(self) -> dict[str, str]:
        """The plain column behind each full name."""
        return {
            Column(domain, key, REP_RAW).name: key
            for domain in DOMAINS
            for key in as_list(getattr(self, domain))
        }


def as_own(names: Iterable[str]) -> dict[str, str]:
    """The full names of the same columns in a set of its own, and those they have now.

    A scaled column that comes without its raw one is the raw one there: nothing is known of
    its way back.
    """
    columns = dict.fromkeys(Column.parse(name) for name in names)
    raw = {column: column._replace(rep=REP_RAW) for column in columns}
    return {
        (column if raw[column] in columns else raw[column]).name: column.name for column in columns
    }


def as_list(selector: Selector) -> list[str]:
    """The selectors as a list; none for None. A DataFrame's columns may have numbers for names."""
    if selector is None:
        return []
    if isinstance(selector, str) or not isinstance(selector, Iterable):
        return [selector]
    return list(selector)


class ColumnIndex:
    """The columns of a set or of a view, in order, and the answers to selectors.

    A selector is a key, `key.rep`, `domain.key.rep`, or one of these with wildcards. A key
    without a representation means `rep` where given, else the newest one the key has. A
    `domain.key.rep` that is there means itself, whatever keys look like it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.columns = tuple(Column.parse(name) for name in names)
        self._known = {column.name: column for column in self.columns}

    def __contains__(self, column: Column) -> bool:
        return column.name in self._known

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self._known)

    @cached_property
    def _reps(self) -> dict[tuple[str, str], list[str]]:
        reps: dict[tuple[str, str], list[str]] = {}
        for column in self.columns:
            reps.setdefault((column.domain, column.key), []).append(column.rep)
        return reps

    def keys(self, domain: str) -> list[str]:
        return [key for of, key in self._reps if of == domain]

    def reps(self, domain: str, key: str) -> list[str]:
        return self._reps.get((domain, key), [])

    def of_domain(self, domain: str) -> list[Column]:
        return [column for column in self.columns if column.domain == domain]

    def grouped(self, domain: str) -> list[Column]:
        """The columns of one domain, each key's side by side."""
        return [
            Column(domain, key, rep) for key in self.keys(domain) for rep in self.reps(domain, key)
        ]

    def in_rep(self, domain: str, key: str, rep: str | None) -> Column:
        """The key's column in this representation, by default in its newest."""
        reps = self.reps(domain, key)
        if rep is None:
            return Column(domain, key, REP_TRANSFORMED if REP_TRANSFORMED in reps else reps[-1])
        if rep not in reps:
            raise UnknownLabelError(f"representation of {domain}.{key}", rep, reps)
        return Column(domain, key, rep)

    def find(self, domain: str, selector: str, rep: str | None = None) -> list[Column]:
        """The columns of one domain that a selector means; at least one."""
        _check_rep(rep)
        selector = str(selector)
        whole = self._known.get(selector)
        if whole is not None and whole.domain == domain:
            return [whole]
        keys = self.keys(domain)
        short = selector.removeprefix(f"{domain}.")
        for text in dict.fromkeys((selector, short)):
            if text in keys:
                return [self.in_rep(domain, text, rep)]
            if found := self._with_rep(domain, text):
                return [found]
        found_by_pattern = self._matching(domain, short, rep)
        if not found_by_pattern:
            raise UnknownLabelError(f"{domain.removesuffix('s')} column", selector, keys)
        return found_by_pattern

    def find_all(self, domain: str, selectors: Selector, rep: str | None = None) -> list[Column]:
        """The columns that any of the selectors means, each once; None means the whole domain."""
        if selectors is None:
            return self._whole(domain, rep)
        found = (column for text in as_list(selectors) for column in self.find(domain, text, rep))
        return list(dict.fromkeys(found))

    def find_anywhere(self, selector: str, rep: str | None = None) -> list[Column]:
        """The columns that a selector means when it does not say of which domain."""
        _check_rep(rep)
        selector = str(selector)
        if selector in self._known:
            return [self._known[selector]]
        domain = selector.partition(".")[0]
        if domain in DOMAINS and not any(selector in self.keys(of) for of in DOMAINS):
            return self.find(domain, selector, rep)
        found: list[Column] = []
        for of in DOMAINS:
            try:
                found += self.find(of, selector, rep)
            except UnknownLabelError:
                continue
        if not found:
            raise UnknownLabelError("column", selector, [key for _, key in self._reps])
        return found

    def find_one(self, selector: str) -> Column:
        """The one column that a selector means."""
        found = self.find_anywhere(selector)
        if len(found) > 1:
            listed = ", ".join(column.name for column in found)
            raise DataError(f"{selector!r} means several columns: {listed}. Say which.")
        return found[0]

    def select(
        self,
        columns: Selector = None,
        *,
        features: Selector = None,
        targets: Selector = None,
        tags: Selector = None,
        rep: str | None = None,
        fill: bool,
    ) -> list[Column]:
        """The columns that the selectors mean, in the order of the domains.

        A domain without a selector is taken whole if `fill` is set, or if there is no
        selector at all; an empty list takes nothing of it.
        """
        by_domain = {FEATURES: features, TARGETS: targets, TAGS: tags}
        named: dict[str, list[Column]] = {domain: [] for domain in DOMAINS}
        for selector in as_list(columns):
            for column in self.find_anywhere(selector, rep):
                named[column.domain].append(column)
        anything = columns is not None or any(chosen is not None for chosen in by_domain.values())
        chosen: list[Column] = []
        for domain, selectors in by_domain.items():
            if selectors is not None:
                named[domain] += self.find_all(domain, selectors, rep)
            elif not named[domain] and (fill or not anything):
                named[domain] = self._whole(domain, rep)
            chosen += dict.fromkeys(named[domain])
        return chosen

    def _whole(self, domain: str, rep: str | None) -> list[Column]:
        _check_rep(rep)
        keys = self.keys(domain)
        # A domain that was never transformed has only raw columns to give.
        with_rep = [key for key in keys if rep in self.reps(domain, key)]
        return [self.in_rep(domain, key, rep if with_rep else None) for key in keys]

    def _with_rep(self, domain: str, text: str) -> Column | None:
        key, _, rep = text.rpartition(".")
        return self._known.get(Column(domain, key, rep).name)

    def _matching(self, domain: str, pattern: str, rep: str | None) -> list[Column]:
        keys = [key for key in self.keys(domain) if fnmatchcase(key, pattern)]
        if keys:
            return [self.in_rep(domain, key, rep) for key in keys]
        columns = self.of_domain(domain)
        return [column for column in columns if fnmatchcase(f"{column.key}.{column.rep}", pattern)]


def _check_rep(rep: str | None) -> None:
    if rep is not None and rep not in REPS:
        raise UnknownLabelError("representation", rep, REPS)
