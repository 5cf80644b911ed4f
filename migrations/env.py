"""How Alembic reaches a lab's database: through the connection it is given.

`tracker.database.upgrade` opens it with foreign keys off (batch mode alters a table by
dropping the old one, and that drop would cascade), begins the transaction, and commits.
"""

from alembic import context

from tracker.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # A migration that fails leaves no trace.
)
context.run_migrations()
