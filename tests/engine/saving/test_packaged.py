import inspect

import numpy as np
import pytest

from engine.errors import PackagedCodeError
from engine.splitters import BaseSplitter
from engine.utils import inspect_packaged_code
from tests.engine.saving.programs import SCRIPT, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a script has saved a class and a function of its own."""
    folder = tmp_path_factory.mktemp("script")
    assert run(folder, SCRIPT) == ""
    return folder


@pytest.fixture
def quarters(folder):
    return folder / "quarters.splitter"


def load(path):
    return BaseSplitter.load(path, allow_packaged_code=True)


class TestAClassOfAScript:
    def test_is_refused_when_saving_unless_its_source_is_asked_for(self, tmp_path):
        program = SCRIPT.replace(", package_code=True", "")
        said = run(tmp_path, program)
        assert "__main__:Quarters is defined in a script or notebook" in said
        assert "Save with package_code=True" in said
        assert not list(tmp_path.glob("*.splitter"))

    def test_is_not_run_unasked(self, quarters):
        with pytest.raises(PackagedCodeError) as caught:
            BaseSplitter.load(quarters)
        message = str(caught.value)
        assert message.startswith(f"{quarters} cannot be loaded: __main__:Quarters comes as source")
        assert "inspect_packaged_code" in message
        assert "allow_packaged_code=True" in message

    def test_comes_back_where_that_is_allowed(self, quarters):
        back = load(quarters)
        assert type(back).__name__ == "Quarters"
        assert back.ratios == {"a": 0.25, "b": 0.75}

    def test_brings_what_it_uses_and_nothing_that_the_script_does(self, folder, quarters):
        source = inspect_packaged_code(quarters)["__main__:Quarters"]
        assert "class Quarters(RandomSplitter)" in source
        assert "@data\nclass Share" in source
        for left_out in ("LEVELS", "above", "unused", "main()", "Path", "ran.txt"):
            assert left_out not in source
        load(quarters)
        assert (folder / "ran.txt").read_text() == "ran "

    def test_is_one_class_however_often_it_is_loaded(self, quarters):
        assert type(load(quarters)) is type(load(quarters))

    def test_has_its_source_in_tracebacks(self, quarters):
        found = inspect.getsource(type(load(quarters)))
        assert found.startswith("class Quarters")

    def test_can_be_saved_again(self, quarters, tmp_path):
        loaded = load(quarters)
        with pytest.raises(PackagedCodeError, match="package_code=True"):
            loaded.save(tmp_path / "again")
        path = loaded.save(tmp_path / "again", package_code=True)
        assert inspect_packaged_code(path) == inspect_packaged_code(quarters)
        assert type(load(path)) is type(loaded)


def test_a_function_brings_its_helpers_and_their_constants(folder):
    path = folder / "above.splitter"
    source = inspect_packaged_code(path)["__main__:above"]
    assert 'LEVELS = {"low": 1}\n\nLEVELS["high"] = 3' in source
    assert "ä ö" in source
    assert "RandomSplitter" not in source.split("import", 3)[-1]
    above = load(path).conditions["s"]["x"]
    assert above(np.array([3, 4])).tolist() == [False, True]


def test_a_script_that_loads_its_own_file_gets_its_own_class(tmp_path):
    program = SCRIPT + (
        "from engine.splitters import BaseSplitter\n"
        "back = BaseSplitter.load('quarters', allow_packaged_code=True)\n"
        "print(type(back) is Quarters, Quarters.load('quarters', allow_packaged_code=True).ratios)"
    )
    said = run(tmp_path, program.replace("load('quarters'", "load('quarters.splitter'"))
    assert said == "True {'a': 0.25, 'b': 0.75}"
