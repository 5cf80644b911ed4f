"""Files with code that nobody wrote as we do: one error, and nothing runs."""

import builtins

import pytest

from engine.errors import FileFormatError, PackagedCodeError
from engine.optimizers import Optimizer
from engine.saving import write_file
from engine.saving.packaged import MAX_SOURCE
from engine.splitters import BaseSplitter
from engine.utils import inspect_packaged_code

RUNS = "import builtins\nbuiltins.packaged_code_ran = True\n"
GOOD = RUNS + "from engine.splitters import RandomSplitter as Mine\n"


def written(tmp_path, code, location="__main__:Mine"):
    form = {"class": location, "config": {"ratios": {"a": 1.0}}, "state": {"seed": 1}}
    return write_file(
        tmp_path / "bad.splitter", "splitter", form, meta={"packaged_code": code}
    ).path


def code(**changes):
    given = {"modules": {"__main__": GOOD}, "symbols": ["__main__:Mine"], "package": ""}
    return [given | changes]


@pytest.fixture(autouse=True)
def nothing_runs():
    yield
    assert not hasattr(builtins, "packaged_code_ran")


@pytest.mark.parametrize(
    ("hostile", "match"),
    [
        (3, "not a list"),
        ({"modules": {}}, "not a list"),
        ([3], "other parts than"),
        (code(more=1), "other parts than"),
        ([{"modules": {}}], "other parts than"),
        (code(modules=[]), "not texts"),
        (code(modules={"__main__": 3}), "not texts"),
        (code(modules={1: "x"}), "not texts"),
        (code(modules={"__main__": RUNS + "def ("}), "is no Python"),
        (code(modules={"__main__": RUNS + "x = '\0'"}), "is no Python"),
        (code(modules={"__main__": RUNS + "return 3"}), "is no Python"),
        (code(modules={"__main__": RUNS + "x = " + "(" * 5000 + ")" * 5000}), "is no Python"),
        (code(modules={"__main__": RUNS + "x = " + "-" * 20000 + "1"}), "is no Python"),
        (code(modules={"__main__": "#" * (MAX_SOURCE + 1)}), "larger than any that is written"),
        (code(modules={"../x": GOOD}), "brings code for the module '../x'"),
        (code(modules={"engine.saving": GOOD}), "brings code for the module 'engine.saving'"),
        (code(modules={"torch": GOOD}), "brings code for the module 'torch'"),
        (code(modules={"__main__": RUNS}), "does not define '__main__:Mine'"),
        (code(modules={}), "brings no module for '__main__:Mine'"),
        (code(symbols=3), "not a list of texts"),
        (code(symbols=[3]), "not a list of texts"),
        (code(symbols=["Mine"]), "brings no module for 'Mine'"),
        (code(symbols=["other:Mine"]), "brings no module for 'other:Mine'"),
        (code(package=3), "is not a name"),
        (code(package="../x"), "is not a name"),
    ],
)
def test_what_nobody_wrote_is_refused_before_anything_runs(hostile, match, tmp_path):
    path = written(tmp_path, hostile)
    for read in (
        inspect_packaged_code,
        BaseSplitter.load,
        lambda path: BaseSplitter.load(path, allow_packaged_code=True),
    ):
        with pytest.raises(FileFormatError, match=rf"^{path} cannot be read: .*{match}"):
            read(path)


def test_looking_and_loading_unasked_run_nothing(tmp_path):
    path = written(tmp_path, code())
    assert inspect_packaged_code(path) == {"__main__:Mine": GOOD}
    with pytest.raises(PackagedCodeError, match="comes as source code"):
        BaseSplitter.load(path)


@pytest.mark.parametrize("location", ["__main__@1:Mine", "__main__@x:Mine", "@0:Mine", "a@0:b"])
def test_a_set_that_is_not_there_is_no_way_in(location, tmp_path):
    path = written(tmp_path, code(), location)
    with pytest.raises(PackagedCodeError, match=r"not ours to run|Cannot find|as source code"):
        BaseSplitter.load(path)


def test_a_symbol_that_its_source_only_seems_to_define_is_named(tmp_path):
    source = "if False:\n    class Mine: pass\n"
    path = written(tmp_path, code(modules={"__main__": source}))
    with pytest.raises(PackagedCodeError, match="Cannot find '__main__:Mine'"):
        BaseSplitter.load(path, allow_packaged_code=True)


def test_names_in_unnamed_meta_data_are_not_overlooked(tmp_path):
    form = {"class": "__main__:Mine", "config": {}, "state": {}}
    meta = {1: 2, "packaged_code": code()}
    path = write_file(tmp_path / "bad.splitter", "splitter", form, meta=meta).path
    with pytest.raises(FileFormatError, match="its meta data are not named by texts"):
        inspect_packaged_code(path)


@pytest.mark.parametrize(
    "location",
    [
        "os:system",
        "torch:load",
        "torch:from_file",
        "torch.hub:load",
        "torch.nn:parallel.comm.broadcast",
        "torch.nn.functional:torch.hub.load",
        "torch.optim:torch.serialization.load",
        "sklearn.datasets:fetch_california_housing",
        "sklearn.datasets:load_files",
        "sklearn.utils:joblib.load",
        "engine.saving.packaged:check_source",
        "engine.saving:read_file",
        "engine.saving.packaged:CodeSet.module",
        "builtins:exec",
    ],
)
def test_functions_that_reach_out_are_not_called_unasked(location, tmp_path):
    config = {"factory": location, "opt_kwargs": {}, "scheduler": None}
    form = {"class": "engine.optimizers:Optimizer", "config": config, "state": {}}
    path = write_file(tmp_path / "bad.optimizer", "optimizer", form).path
    with pytest.raises(PackagedCodeError, match=f"{location} in it is not ours|Cannot find"):
        Optimizer.load(path)
    if not location.startswith(("engine", "sklearn", "torch.nn", "torch.optim")):
        assert "Not in the file" in inspect_packaged_code(path)[location]
