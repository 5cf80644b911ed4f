import os
import time

from tracker.database.connection import connect

OLD = time.time() - 2 * 3600


def age(path):
    os.utime(path, (OLD, OLD))


def break_rule(database, statement, *parameters):
    """Changes the database as no registry function would."""
    connection = connect(database.path)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(statement, parameters)
    connection.close()
