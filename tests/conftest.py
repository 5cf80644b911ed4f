"""What tests of several rooms share: databases, labs, and the command line."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from tests.children import at_once, in_background, in_child, killed_after, killed_at, powerless
from tracker.database.connection import Database
from tracker.database.upgrade import create

# Before torch is imported, and for every child: the bits of a sum depend on how many threads
# share it, and workers of pytest-xdist share the cores already.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell's background jobs ignore Ctrl-C, those of nohup hang-ups; so would all their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Fixtures, too: pytest finds them here by name.
__all__ = ["at_once", "in_background", "in_child", "killed_after", "killed_at", "powerless"]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file built by the real migrations, once per test session. Copy it; never write to it."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    create(path)
    return path


@pytest.fixture
def lab_root(empty_database: Path, tmp_path: Path) -> Path:
    """The directory of this test's own lab: `.labkeeper/` with an empty database and `files/`."""
    root = tmp_path / "lab"
    (root / ".labkeeper" / "files").mkdir(parents=True)
    shutil.copy(empty_database, root / ".labkeeper" / "lab.db")
    return root


@pytest.fixture
def database(lab_root: Path) -> Iterator[Database]:
    """This test's own database, in `lab_root`: real SQLite, fully migrated, empty."""
    database = Database(lab_root / ".labkeeper" / "lab.db")
    yield database
    database.close()


@pytest.fixture
def labkeeper(lab_root: Path) -> Callable[..., Result]:
    """Runs one command on this test's lab: `labkeeper("runs", "lr < 0.1", "--json")`."""
    from tracker.cli.main import labkeeper as command

    def run(*args: str) -> Result:
        return CliRunner().invoke(command, ["--lab", str(lab_root), *args], catch_exceptions=False)

    return run
