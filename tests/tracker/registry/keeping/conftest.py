import shutil

import pytest

from tests.tracker.registry.keeping.made import Made
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    """This test's own lab, empty."""
    with Lab(lab_root) as lab:
        yield lab


@pytest.fixture
def made(lab):
    """Makes runs and pipelines with files in that lab, as recording and training would."""
    return Made(lab)


@pytest.fixture
def copy_of(tmp_path_factory):
    """Another lab with the same content."""

    def copy(lab):
        lab.close()
        root = tmp_path_factory.mktemp("copy") / "lab"
        shutil.copytree(lab.root, root)
        return root

    return copy
