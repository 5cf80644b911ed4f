"""What every table is made of."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column

from tracker.database.types import UtcDateTime, now

Id = Annotated[int, mapped_column(primary_key=True)]
Created = Annotated[datetime, mapped_column(UtcDateTime, default=now)]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]
Json = Annotated[Any, mapped_column(sa.JSON(none_as_null=True))]


def parent(table: str, *, ondelete: str = "CASCADE", index: bool = True) -> Any:
    """A column that refers to another table's row."""
    return mapped_column(sa.ForeignKey(f"{table}.id", ondelete=ondelete), index=index)


RunId = Annotated[int, parent("runs")]


class Base(DeclarativeBase):
    # Alembic can only alter a SQLite constraint that has a name.
    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        # Store "finished", the value, rather than FINISHED, the member's name.
        Enum: sa.Enum(
            Enum,
            native_enum=False,
            length=16,
            values_callable=lambda members: [member.value for member in members],
        )
    }
