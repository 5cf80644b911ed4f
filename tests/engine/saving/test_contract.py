"""What holds for everything that can be saved."""

import copy
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import engine
from engine.context import ExperimentContext
from engine.errors import FileFormatError, PackagedCodeError, ResolutionError
from engine.models.comparing import same_values
from engine.saving import Savable, read_file, write_file
from engine.saving.tagged import Tagged
from tests.engine.saving.kinds import CASES, KIND_OF, KINDS, surroundings

ROOT = Path(__file__).parents[3]
# These need data and a context around them, and are saved and loaded in tests of their own.
ELSEWHERE = ("engine.graph", "engine.phases", "engine.experiment", "engine.cross_validation")


def savable_classes():
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        importlib.import_module(module.name)
    found, waiting = set(), [Savable]
    while waiting:
        below = waiting.pop().__subclasses__()
        found |= set(below)
        waiting += below
    return {
        one
        for one in found
        # What others are made from is not made itself.
        if one.__module__.startswith("engine.")
        and not one.__module__.startswith(ELSEWHERE)
        and not any(sub.__module__.startswith("engine.") for sub in one.__subclasses__())
        and not inspect.isabstract(one)
    }


def refused(load):
    """What is said of a file that is refused; None for one that is not."""
    try:
        load()
    except (FileFormatError, PackagedCodeError, ResolutionError) as error:
        return str(error)


def parts(form):
    """All values in a form, however deep."""
    form = form.value if isinstance(form, Tagged) else form
    if isinstance(form, dict):
        return [one for key, value in form.items() for one in (key, *parts(value))]
    if isinstance(form, list | tuple):
        return [one for value in form for one in parts(value)]
    return [form]


@pytest.fixture(autouse=True)
def around(context):
    surroundings()


def test_every_class_is_in_the_list():
    assert savable_classes() - set(KINDS) == set()
    assert all(type(made()) is kind for kind, cases in KINDS.items() for made in cases.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of everything, and what another process made of them, in `again`."""
    folder = tmp_path_factory.mktemp("saved")
    with ExperimentContext().activate():
        surroundings()
        for name, make in CASES.items():
            make().save(folder / f"{name}.{KIND_OF[name].saved_as}")
    (folder / "again").mkdir()
    subprocess.run(
        [sys.executable, Path(__file__).with_name("saving_again.py"), folder],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    return folder


@pytest.mark.parametrize("name", CASES)
class TestEveryKind:
    @pytest.fixture
    def path(self, name, folder):
        return folder / f"{name}.{KIND_OF[name].saved_as}"

    def test_its_configuration_makes_an_equal_one(self, name):
        made = CASES[name]()
        again = type(made).from_config(copy.deepcopy(made.get_config()))
        assert type(again) is type(made)
        assert same_values(again.get_config(), made.get_config())

    def test_its_state_makes_it_the_same(self, name, tmp_path):
        made = CASES[name]()
        again = type(made).from_config(copy.deepcopy(made.get_config()))
        again.set_state(copy.deepcopy(made.get_state()))
        assert same_values(again.get_state(), made.get_state())

    def test_comes_back_in_a_new_process_to_the_last_bit(self, name, path):
        again = path.parent / "again" / path.name
        if not any(isinstance(one, BaseEstimator) for one in parts(read_file(path)[0])):
            # Equal contents are equal bytes.
            assert again.read_bytes() == path.read_bytes()
        # Where skops numbers its objects by their places in memory, objects are compared.
        assert same_values(*[parts(read_file(one)[0]) for one in (again, path)])

    def test_is_found_under_its_name_and_not_replaced_unasked(self, name, tmp_path, path):
        made = CASES[name]()
        written = made.save(tmp_path / "mine.v1")
        assert written == tmp_path / f"mine.v1.{made.saved_as}"
        before = written.read_bytes()
        with pytest.raises(FileExistsError, match="overwrite=True"):
            made.save(tmp_path / "mine.v1")
        assert written.read_bytes() == before
        assert made.save(written, overwrite=True) == written
        assert type(type(made).load(tmp_path / "mine.v1")) is type(made)

    def test_a_damaged_file_is_named(self, name, path, tmp_path):
        whole = path.read_bytes()
        bad = tmp_path / path.name
        third = len(whole) // 3
        flipped = [
            whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            for at in (0, third, 2 * third, len(whole) - 1)
        ]
        for content in (b"", whole[:-1], whole[:third], *flipped):
            bad.write_bytes(content)
            with pytest.raises(FileFormatError, match=f"^{bad} cannot be read"):
                KIND_OF[name].load(bad)

    def test_a_file_of_another_class_is_named(self, name, path, tmp_path):
        for other, kind in KIND_OF.items():
            if not issubclass(kind, KIND_OF[name]):
                stranger = path.parent / f"{other}.{kind.saved_as}"
                with pytest.raises(FileFormatError, match=r"which is no|it holds a"):
                    KIND_OF[name].load(stranger)

    def test_parts_that_do_not_fit_are_named(self, name, path, tmp_path):
        form, _ = read_file(path, trusted=True)
        bad = tmp_path / path.name
        for key in form:
            for value in (3, {"x": 1}, [None], "os:system"):
                write_file(bad, KIND_OF[name].saved_as, form | {key: value})
                refusal = refused(lambda: KIND_OF[name].load(bad))
                assert refusal is None or refusal.startswith(f"{bad} cannot be ")
        for key in form:
            missing = {other: value for other, value in form.items() if other != key}
            write_file(bad, KIND_OF[name].saved_as, missing)
            with pytest.raises(FileFormatError, match=f"^{bad} cannot be read"):
                KIND_OF[name].load(bad)
