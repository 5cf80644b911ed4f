import re
import shutil
import warnings

import pytest

from tests.tracker.transfer import contents
from tests.tracker.transfer.forging import Forged
from tracker.errors import BundleError
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


@pytest.fixture(scope="session")
def example(empty_database, tmp_path_factory):
    """The root of a lab with rows in every table, and a bundle of it. Copy them."""
    root = tmp_path_factory.mktemp("example") / "here"
    (root / ".labkeeper" / "files").mkdir(parents=True)
    shutil.copy(empty_database, root / ".labkeeper" / "lab.db")
    path = root.with_name("all.bundle")
    with Lab(root) as lab:
        contents.fill(lab)
        lab.export_bundle(path, everything=True)
    return root, path


@pytest.fixture
def here(example, tmp_path):
    """A lab with rows in every table."""
    shutil.copytree(example[0], tmp_path / "here")
    with Lab(tmp_path / "here") as lab:
        yield lab


@pytest.fixture
def there(new_lab):
    """An empty lab."""
    return new_lab("there")


@pytest.fixture
def bundle(example, tmp_path):
    """Everything that is `here`, as a bundle."""
    return shutil.copy(example[1], tmp_path / "all.bundle")


@pytest.fixture
def forged(bundle):
    return Forged(bundle)


@pytest.fixture
def refuses(there, here, tmp_path):
    """Wants the file at a path refused for a reason, and nothing changed anywhere."""

    def check(path, reason):
        outside = _tree(tmp_path)
        before = contents.rows(there)
        with pytest.raises(BundleError) as caught:
            there.import_bundle(path)
        assert re.search(reason, str(caught.value)), caught.value
        assert str(caught.value).startswith(f"{path} is refused: ")
        assert "Nothing was changed" in str(caught.value)
        assert contents.rows(there) == before
        assert _tree(tmp_path) == outside

    return check


def _tree(root):
    """Every file but those that SQLite makes and unmakes."""
    return sorted(
        (path, path.stat().st_size)
        for path in root.rglob("*")
        if not path.name.startswith("lab.db")
    )


@pytest.fixture
def refused(forged, refuses, tmp_path):
    """The same of what was forged."""

    def check(reason, **how):
        path = tmp_path / "forged.bundle"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
            forged.write(path, **how)
        refuses(path, reason)

    return check
