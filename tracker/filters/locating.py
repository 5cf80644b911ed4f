"""Where the things lie that a text names."""

from dataclasses import dataclass, field
from shlex import quote

from tracker.filters import metrics
from tracker.filters.columns import Column, Subject
from tracker.filters.expressions import Metric, Name, Parameter, Reference, Value
from tracker.filters.lookups import Located, Lookup
from tracker.filters.names import Vocabulary
from tracker.filters.source import Source


@dataclass(frozen=True, eq=False)
class Scope:
    """What all texts of one listing share."""

    subject: Subject
    vocabulary: Vocabulary
    lookups: dict[object, Lookup] = field(default_factory=dict)


class Locator:
    """Finds what one text names; FilterError, with the place, for what is not there."""

    def __init__(self, scope: Scope, source: Source) -> None:
        self.subject = scope.subject
        self.source = source
        self._scope = scope

    def meaning(self, reference: Reference) -> Name | Parameter | Metric:
        """A column, or a known parameter or metric; `best` has become `min` or `max`."""
        vocabulary = self._scope.vocabulary
        if isinstance(reference, Name):
            return vocabulary.meaning(self.source, reference)
        vocabulary.check(self.source, reference)
        if isinstance(reference, Metric) and reference.function == "best":
            return self._best(reference)
        return reference

    def is_number_everywhere(self, parameter: str) -> bool:
        """Whether a parameter has nothing but numbers that a float holds exactly."""
        return self._scope.vocabulary.is_number_everywhere(parameter)

    def column(self, value: Value) -> Column | None:
        """The column that the value is, if it is one."""
        return self.subject.columns.get(value.path) if isinstance(value, Name) else None

    def locate(self, reference: Reference) -> Located:
        """One place for one meaning, however often and in whatever words it is named."""
        located = self.locate_any(reference)
        if isinstance(located, Lookup) and located.many:
            raise self.source.refuse('Of tags, ask `"word" in tags`.', reference.at)
        return located

    def locate_any(self, reference: Reference) -> Located:
        """As `locate`, for conditions on one of several values."""
        return self.place(self.meaning(reference))

    def place(self, meaning: Name | Parameter | Metric) -> Located:
        """Where a meaning lies, tags too."""
        if isinstance(meaning, Name):
            return self.subject.columns[meaning.path].located
        lookups = self._scope.lookups
        if isinstance(meaning, Parameter):
            identity: object = meaning.key
        else:
            identity = (meaning.function, meaning.name, meaning.step)
        if identity not in lookups:
            lookups[identity] = self._lookup(meaning)
        return lookups[identity]

    def _lookup(self, meaning: Parameter | Metric) -> Lookup:
        run_id, optional = self.subject.run_id, self.subject.optional
        if isinstance(meaning, Parameter):
            return metrics.parameter(meaning.key, run_id, optional=optional)
        name, function = meaning.name, meaning.function
        return metrics.metric(name, function, run_id, step=meaning.step or 0, optional=optional)

    def _best(self, metric: Metric) -> Metric:
        goal = self._scope.vocabulary.goal(metric.name)
        if goal is None:
            raise self.source.refuse(
                f"Is {metric.name!r} better low or high? "
                f"Say `labkeeper goal {quote(metric.name)} max` "
                "(or min) once, or write max(...) or min(...) instead of best(...).",
                metric.name_at,
            )
        return metric._replace(function=metrics.function_of(goal))
