"""Column types that SQLite lacks."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC, stored as text that sorts: `2026-01-31 09:30:00.000000`.

    A naive value is refused with a ValueError; any other time zone is converted.
    """

    impl = sa.DateTime
    cache_ok = True

    # The second argument's name is SQLAlchemy's to choose; it passes it by position.
    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    """This moment, as `UtcDateTime` stores it."""
    return datetime.now(UTC)


def stored(moment: datetime) -> str:
    """The text that a UtcDateTime column holds for it, for the driver's own connection."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
