import shutil

import pytest

from tests.tracker.transfer import contents
from tracker.lab import Lab


@pytest.fixture
def new_lab(empty_database, tmp_path):
    """Makes labs that are empty: `new_lab("there")`."""
    opened = []

    def make(name):
        root = tmp_path / name
        (root / ".labkeeper" / "files").mkdir(parents=True)
        shutil.copy(empty_database, root / ".labkeeper" / "lab.db")
        opened.append(Lab(root))
        return opened[-1]

    yield make
    for lab in opened:
        lab.close()


@pytest.fixture
def here(new_lab):
    """A lab with rows in every table."""
    lab = new_lab("here")
    contents.fill(lab)
    return lab


@pytest.fixture
def there(new_lab):
    """An empty lab."""
    return new_lab("there")


@pytest.fixture
def bundle(here, tmp_path):
    """Everything that is `here`, as a bundle."""
    path = tmp_path / "all.bundle"
    here.export_bundle(path, everything=True)
    return path
