from pathlib import Path

import sqlalchemy as sa

from tracker.database import upgrade
from tracker.database.connection import connect
from tracker.database.faults import driver

LABS = Path(__file__).parent / "labs"


NOW = upgrade.SCHEMA


CURRENT = LABS / f"schema-{NOW}.db"


NEXT_SCHEMA = f"{int(NOW) + 1:04}"


def schema(path):
    """Every table and index by name, as its columns and constraints in any order."""
    connection = connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    # A table that batch mode has made anew has its name in quotes.
    plain = {name: sql.replace(f'"{name}"', name) for name, sql in rows}
    connection.close()
    return {
        name: sorted(line.strip(", \t") for line in sql.split("\n")) for name, sql in plain.items()
    }


def content(path):
    """Every row of every table, by table."""
    connection = connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return found


def values(path):
    """Every column of every table, as the list of its values."""
    connection = connect(path)
    found = {}
    for table in content(path):
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column for column, *_ in cursor.description]
        rows = cursor.fetchall()
        found[table] = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    connection.close()
    return found


def engine_of(path):
    return sa.create_engine("sqlite://", module=driver(), creator=lambda: connect(path))


def leftovers(path):
    return [left.name for left in path.parent.iterdir() if left.name.startswith(upgrade.ASIDE)]
