import shutil

import pytest

from tests.tracker.database.stored_labs import CURRENT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lab.db"


@pytest.fixture
def old(path):
    """A lab of this release, with content; old for the next one."""
    shutil.copy(CURRENT, path)
    return path
