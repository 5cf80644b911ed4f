"""The filter language: one expression syntax wherever runs or pipelines are chosen."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from sqlalchemy import SQLColumnExpression
from sqlalchemy.orm import Session

from tracker.database.types import now as present
from tracker.filters import columns, expressions
from tracker.filters.compiler import Compiler
from tracker.filters.locating import Locator, Scope
from tracker.filters.names import Vocabulary
from tracker.filters.showing import CompiledValue, shown, truth
from tracker.filters.source import Source
from tracker.filters.syntax import parse_condition, parse_value

Of = Literal["runs", "pipelines"]


class Filters:
    """Compiles texts about the runs or the pipelines of one lab.

    What they become refers to the table `Run` or `Pipeline` of the statement it is used in,
    and to nothing else of it. The ids in `lost` are of runs whose process is known to have
    vanished, though their row still says `running`. A text that makes no sense is a
    FilterError that shows the column.
    """

    def __init__(
        self,
        session: Session,
        of: Of = "runs",
        *,
        lost: Collection[int] = (),
        now: datetime | None = None,
    ) -> None:
        make = columns.runs if of == "runs" else columns.pipelines
        subject = make(frozenset(lost))
        vocabulary = Vocabulary(session, subject.columns)
        self._now = now or present()
        self._scope = Scope(subject, vocabulary)

    @property
    def vocabulary(self) -> Vocabulary:
        return self._scope.vocabulary

    def condition(self, text: str) -> SQLColumnExpression[bool]:
        """SQL that is true for the rows which the text describes, and false for all others."""
        source = Source(text)
        return Compiler(Locator(self._scope, source), self._now).condition(parse_condition(source))

    def value(self, text: str) -> CompiledValue:
        """What the text stands for in each row, to be shown or sorted by."""
        source = Source(text)
        locator = Locator(self._scope, source)
        compiler = Compiler(locator, self._now)
        parsed = parse_value(source)
        if isinstance(parsed, expressions.Condition):
            return truth(text, compiler.condition(parsed))
        return shown(text, parsed, locator, compiler)


def compile_filter(
    text: str, session: Session, of: Of = "runs", *, lost: Collection[int] = ()
) -> SQLColumnExpression[bool]:
    """One condition, as `Filters.condition` compiles it."""
    return Filters(session, of, lost=lost).condition(text)


def compile_value(
    text: str, session: Session, of: Of = "runs", *, lost: Collection[int] = ()
) -> CompiledValue:
    """One value, as `Filters.value` compiles it."""
    return Filters(session, of, lost=lost).value(text)
