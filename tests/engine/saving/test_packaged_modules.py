"""Code that is spread over modules, or typed into a notebook."""

import pytest

from engine.errors import PackagedCodeError
from engine.splitters import BaseSplitter
from engine.utils import inspect_packaged_code
from tests.engine.saving.programs import run

PACKAGE = {
    "own_pack/__init__.py": "SHARE = 0.25\n",
    "own_pack/shares.py": "from . import SHARE\n\n\ndef first():\n    return SHARE\n",
    "own_pack/parts.py": (
        "from engine.splitters import RandomSplitter\n"
        "from .shares import first\n"
        "import own_helper as helper\n\n\n"
        "class Parts(RandomSplitter):\n"
        "    def __init__(self, **_):\n"
        "        import own_pack.shares\n"
        "        assert own_pack.shares.first is first\n"
        "        super().__init__({'a': first(), 'b': helper.rest(first())}, seed=1)\n"
    ),
    "own_helper.py": "def rest(share):\n    return 1 - share\n",
}
SAVE = "from own_pack.parts import Parts\nParts().save('parts', package_code=True)\n"
LOAD = (
    "from engine.splitters import BaseSplitter\n"
    "back = BaseSplitter.load('parts', allow_packaged_code=True)\n"
    "print(type(back).__module__, back.ratios)\n"
)


@pytest.fixture
def modules(tmp_path):
    """A folder with modules of a user's own, beside the one that scripts run in."""
    folder = tmp_path / "modules"
    for name, source in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


class TestModules:
    def test_are_found_by_name_unless_asked_for(self, modules, work):
        assert run(work, SAVE.replace("package_code=True", ""), path=[modules]) == ""
        (path,) = work.glob("*.splitter")
        (note,) = inspect_packaged_code(path).values()
        assert note == (
            "# Not in the file: loading it imports own_pack.parts:Parts as it is on this machine.\n"
        )
        assert "No module named 'own_pack'" in run(work, LOAD)
        assert run(work, LOAD, path=[modules]) == "own_pack.parts {'a': 0.25, 'b': 0.75}"

    def test_bring_the_modules_that_they_import(self, modules, work):
        run(work, SAVE, path=[modules])
        (path,) = work.glob("*.splitter")
        found = inspect_packaged_code(path)
        assert set(found) == {"own_pack.parts:Parts", "own_pack.shares", "own_pack", "own_helper"}
        assert found["own_helper"] == PACKAGE["own_helper.py"]
        said = run(work, LOAD)
        assert said.startswith("packaged_")
        assert said.endswith(".own_pack.parts {'a': 0.25, 'b': 0.75}")

    def test_that_are_here_with_the_same_source_are_taken(self, modules, work):
        run(work, SAVE, path=[modules])
        assert run(work, LOAD, path=[modules]).startswith("own_pack.parts ")
        # A changed one is not the one that was saved.
        helper = modules / "own_pack" / "parts.py"
        helper.write_text(helper.read_text() + "\n")
        assert run(work, LOAD, path=[modules]).startswith("packaged_")

    def test_of_a_script_come_along_with_it(self, modules, work):
        program = (
            "from own_pack import parts as own\n\n\n"
            "class Mine(own.Parts):\n    pass\n\n\n"
            "Mine().save('parts', package_code=True)\n"
        )
        assert run(work, program, path=[modules]) == ""
        assert run(work, LOAD).endswith(".__main__ {'a': 0.25, 'b': 0.75}")

    def test_of_two_files_stay_apart(self, work):
        for name, share in (("one", 0.25), ("two", 0.5)):
            program = (
                "from engine.scalers import Scaler\n\n\n"
                f"SHARE = {share}\n\n\n"
                "class Times:\n"
                "    def fit(self, x):\n        return self\n\n"
                "    def transform(self, x):\n        return x * SHARE\n\n\n"
                f"Scaler(Times()).save({name!r}, package_code=True)\n"
            )
            assert run(work, program) == ""
        join = (
            "import numpy as np\n"
            "from engine import AppliedLoss, Callback, Loss\n"
            "from engine.scalers import Scaler\n\n\n"
            "class Both(Callback):\n"
            "    def __init__(self, one, two, **base):\n"
            "        super().__init__(**base)\n"
            "        self.kinds = one, two\n\n"
            "    def get_config(self):\n"
            "        return {'one': self.kinds[0], 'two': self.kinds[1]}\n\n\n"
            "def load(name):\n"
            "    return type(Scaler.load(name, allow_packaged_code=True).scaler)\n\n\n"
            "kinds = [load('one'), load('two')]\n"
            "Both(*kinds).save('both', package_code=True)\n"
            "back = Callback.load('both', allow_packaged_code=True)\n"
            "outputs = [kind().transform(np.ones(1)).item() for kind in back.kinds]\n"
            "print(type(back) is Both, outputs)"
        )
        assert run(work, join) == "True [0.25, 0.5]"
        found = inspect_packaged_code(work / "both.callback")
        assert list(found) == ["__main__:Both", "__main__@1:Times", "__main__@2:Times"]
        assert "SHARE = 0.5" in found["__main__@2:Times"]
        load = (
            "import numpy as np\nfrom engine import Callback\n"
            "back = Callback.load('both', allow_packaged_code=True)\n"
            "print([kind().transform(np.ones(1)).item() for kind in back.kinds])"
        )
        assert run(work, load) == "[0.25, 0.5]"


# What a notebook's kernel does with its cells, the third of which replaces the first.
NOTEBOOK = """
import linecache
import sys

cells = {
    1: "WIDTH = 3\\ndef first(): return 0",
    2: "import numpy as np\\nfrom engine.splitters import RandomSplitter",
    3: "raise SyntaxError here",
    4: "def first():\\n    return np.float64(1 / (WIDTH + 1)).item()",
    5: "class Cells(RandomSplitter):\\n"
       "    def __init__(self, **_):\\n"
       "        super().__init__({'a': first(), 'b': 1 - first()}, seed=2)",
    6: "ran = open('ran.txt', 'a').write('ran ')",
}
main = sys.modules["__main__"]
del main.__file__
for number, cell in cells.items():
    name = NAME.format(number)
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    if number != 3:
        exec(compile(cell, name, "exec"), main.__dict__)
Cells().save("parts", package_code=True)
back = Cells.load("parts", allow_packaged_code=True)
assert type(back) is Cells, type(back)
"""


@pytest.mark.parametrize(
    "name", ["/kernels/ipykernel_77/{}12345.py", "<ipython-input-{}-abc>", "<python-input-{}>"]
)
def test_a_notebook_brings_the_cells_that_count(name, tmp_path):
    assert run(tmp_path, f"NAME = {name!r}\n{NOTEBOOK}") == ""
    source = inspect_packaged_code(tmp_path / "parts.splitter")["__main__:Cells"]
    assert source.startswith("WIDTH = 3\n\nimport numpy as np\n")
    assert "return 0" not in source
    assert "ran" not in source.replace("RandomSplitter", "")
    assert run(tmp_path, LOAD).endswith("{'a': 0.25, 'b': 0.75}")
    assert (tmp_path / "ran.txt").read_text() == "ran "


HEAD = "from engine.splitters import ConditionSplitter\n"
SAVING = "ConditionSplitter(s={'x': above}).save('s', package_code=True)\n"


@pytest.mark.parametrize(
    ("program", "match"),
    [
        (
            "above = lambda values: values > 1\n",
            r"__main__:<lambda> \(.*script.py, line 2\) is a l",
        ),
        (
            (
                "def make(level):\n    def above(values):\n        return values > level\n"
                "    return above\nabove = make(3)\n"
            ),
            r"make\.<locals>\.above \(.*script.py, line 3\) is defined inside a function",
        ),
        (
            "if __name__ == '__main__':\n    def above(values):\n        return values\n",
            r"'above' is defined under `if __name__ == '__main__'`",
        ),
        (
            "exec('level = 3')\ndef above(values):\n    return values > level\n",
            r"The source of 'level' in __main__ is not known, and above uses it",
        ),
        (
            (
                "class Level:\n    def above(self, values):\n        return values\n"
                "above = Level().above\n"
            ),
            r"__main__:Level\.above belongs to one object",
        ),
        (
            "import functools, operator\nabove = functools.partial(operator.lt, 3)\n",
            "has no name to find it by",
        ),
        (
            (
                "def above(values):\n    return values\nkept = above\n"
                "def above(values):\n    return -values\nabove, kept = kept, above\n"
                "def above_(values): pass\nabove.__name__ = above.__qualname__ = 'above_'\n"
            ),
            "__main__:above_ leads to .*, and not to what is to be saved",
        ),
    ],
)
def test_what_has_no_source_of_its_own_is_named(program, match, tmp_path):
    said = run(tmp_path, HEAD + program + SAVING)
    with pytest.raises(PackagedCodeError, match=match):
        raise PackagedCodeError(said)
    assert said.startswith("engine.errors.PackagedCodeError")
    assert not list(tmp_path.glob("*.splitter"))


def test_code_that_fails_says_so(tmp_path):
    program = (
        "import sys\n" + HEAD + "level = {}[1] if 'loading' in sys.argv else 3\n"
        "def above(values):\n    return values > level\n" + SAVING
    )
    assert run(tmp_path, program) == ""
    load = (
        "import sys; sys.argv.append('loading')\n"
        "from engine.splitters import BaseSplitter\n"
        "BaseSplitter.load('s', allow_packaged_code=True)\n"
    )
    said = run(tmp_path, load)
    assert (
        "s.splitter cannot be loaded: the packaged source of __main__ fails (KeyError: 1)" in said
    )


def test_installed_code_is_never_packaged(tmp_path):
    program = HEAD + "from numpy import isfinite\nimport statistics\n"
    program += "ConditionSplitter(s={'x': statistics.mean}).save('s', package_code=True)\n"
    assert run(tmp_path, program) == ""
    found = inspect_packaged_code(tmp_path / "s.splitter")
    assert list(found) == ["statistics:mean"]
    assert BaseSplitter.load(tmp_path / "s", allow_packaged_code=True)
