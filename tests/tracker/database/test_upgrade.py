import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tracker.database import upgrade
from tracker.database.connection import connect
from tracker.database.faults import driver
from tracker.database.tables import Base
from tracker.database.upgrade import alembic_config


def schema(path):
    """Every table and index by name, as its columns and constraints in any order."""
    connection = connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    found = {name: sorted(line.strip(", \t") for line in sql.split("\n")) for name, sql in rows}
    connection.close()
    return found


def engine_of(path):
    return sa.create_engine("sqlite://", module=driver(), creator=lambda: connect(path))


class TestSchema:
    def test_the_constant_is_the_newest_revision(self):
        scripts = ScriptDirectory.from_config(alembic_config(None))

        assert scripts.get_current_head() == upgrade.SCHEMA

    # Alembic cannot compare an index on an expression; the test below does.
    @pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression")
    @pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
    def test_migrations_build_exactly_the_tables(self, empty_database):
        engine = engine_of(empty_database)
        with engine.connect() as connection:
            command.check(alembic_config(connection))
        engine.dispose()

    def test_migrations_and_tables_agree_to_the_letter(self, empty_database, tmp_path):
        direct = tmp_path / "direct.db"
        direct.touch()
        engine = engine_of(direct)
        Base.metadata.create_all(engine)
        engine.dispose()

        migrated = schema(empty_database)
        del migrated["alembic_version"]
        assert migrated == schema(direct)
