import pytest

from engine.saving import write_file
from tests.engine.saving.forging import PAYLOAD


@pytest.fixture
def path(tmp_path):
    saved = write_file(tmp_path / "state.lk", "state", PAYLOAD, meta={"epoch": 3})
    return saved.path
