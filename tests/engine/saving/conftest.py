import pytest

from engine.saving import write_file, write_large_file
from tests.engine.saving.forging import PAYLOAD


@pytest.fixture(params=[1, 2], ids=lambda version: f"format {version}")
def path(request, tmp_path):
    """A file in each of the formats."""
    saved = tmp_path / "state.lk"
    write = write_file if request.param == 1 else write_large_file
    write(saved, "state", PAYLOAD, meta={"epoch": 3})
    return saved
