"""Parts of every kind that a script defines: refused, looked at, allowed, and saved again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.models.comparing import same_values
from engine.saving import read_file
from engine.utils import inspect_packaged_code
from tests.engine.saving.own_parts import parts
from tests.engine.saving.test_contract import parts as values_of

HERE = Path(__file__).parent
NAMES = list(parts())


def said_by(program, folder):
    told = subprocess.run(
        [sys.executable, HERE / program, folder],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(" ", 1) for line in told.stdout.splitlines())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    (folder / "unasked").mkdir()
    (folder / "again").mkdir()
    return folder


@pytest.fixture(scope="module")
def saving(folder):
    """What a script is told that saves its own parts unasked."""
    return said_by("own_parts.py", folder)


@pytest.fixture(scope="module")
def loading(folder, saving):
    """What a process is told that loads them without allowing their code."""
    return said_by("load_parts.py", folder)


@pytest.mark.parametrize("name", NAMES)
class TestEveryPart:
    @pytest.fixture
    def symbol(self, name):
        return "__main__:" + name.partition(".")[0]

    @pytest.fixture
    def path(self, name, folder, saving):
        (path,) = (one for one in folder.glob("*.*") if one.stem == name)
        return path

    def test_is_refused_when_saving_unless_its_source_goes_along(
        self, name, symbol, folder, saving
    ):
        assert saving[name].startswith(f"{symbol} is defined in a script or notebook")
        assert not list((folder / "unasked").iterdir())

    def test_is_refused_when_loading_unless_that_is_allowed(self, path, symbol, loading):
        assert loading[path.name].startswith(f"PackagedCodeError {path} cannot be loaded")
        assert f"{symbol} comes as source" in loading[path.name]

    def test_can_be_looked_at(self, name, path, symbol):
        found = inspect_packaged_code(path)
        assert symbol in found
        word = "class" if symbol[9].isupper() else "def"
        assert f"{word} {symbol[9:]}" in found[symbol]
        # Nothing of the others comes along, nor what the script does.
        assert "def save(" not in found[symbol]
        assert "def parts(" not in found[symbol]

    def test_comes_back_where_it_is_allowed_and_can_be_saved_again(self, path, loading):
        again = path.parent / "again" / path.name
        assert inspect_packaged_code(again) == inspect_packaged_code(path)
        assert same_values(*[values_of(read_file(one)[0]) for one in (again, path)])
