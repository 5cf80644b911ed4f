"""Finding components by location, and what is said when that fails."""

import os
import subprocess
import sys
import textwrap

import pytest

from tracker.errors import ComponentError
from tracker.pipelines.components import Component, check, is_component, locate, make
from tracker.pipelines.lab_modules import importing


@pytest.fixture
def lab(tmp_path):
    """A lab's directory with one module, and a way to write more."""

    def write(name, text):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    write(
        "my_parts",
        """
        class MLP:
            def __init__(self, hidden, *, depth=2, inner=None):
                self.hidden, self.depth, self.inner = hidden, depth, inner

            class Block:
                pass

        def only_by_position(a, /, b):
            return a, b

        def anything(**kwargs):
            return kwargs

        SIZE = 3
        """,
    )
    tmp_path.joinpath("write").write_text("")
    write.directory = tmp_path
    return write


def message_of(function, *args, **kwargs):
    with pytest.raises(ComponentError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "loc", ["my_parts:MLP", "my_parts.MLP", "my_parts:MLP.Block", "my_parts.MLP.Block"]
)
def test_a_component_of_the_lab_is_found(lab, loc):
    assert locate(loc, lab.directory).__name__ == loc.rpartition(":")[2].rpartition(".")[2]


def test_installed_components_are_found_by_dots_and_by_colon(lab):
    from torch.optim import Adam

    assert locate("torch.optim.Adam", lab.directory) is Adam
    assert locate("torch.optim:Adam", lab.directory) is Adam


def test_nothing_in_the_lab_shadows_what_is_installed(lab):
    lab("statistics", "mean = 'mine'\n")

    assert callable(locate("statistics.mean", lab.directory))


@pytest.mark.parametrize(
    ("loc", "message"),
    [
        ("my_part:MLP", "my_part:MLP: there is no module 'my_part', neither installed nor in"),
        ("torch.optm.Adam", "torch.optm.Adam: torch has no 'optm'. Did you mean 'optim'?"),
        ("torch.optm:Adam", "torch.optm:Adam: there is no module 'torch.optm', neither installed"),
        ("torch.optim.Adan", "torch.optim.Adan: torch.optim has no 'Adan'. Did you mean 'Adam'?"),
        ("my_parts:MPL", "my_parts:MPL: my_parts has no 'MPL'. Did you mean 'MLP'?"),
        ("my_parts:MLP.Blok", "my_parts:MLP.Blok: MLP has no 'Blok'. Did you mean 'Block'?"),
        ("MLP", "'MLP' is no location: write it as module:name"),
        ("my parts:MLP", "'my parts:MLP' is no location: write it as module:name"),
        (":MLP", "':MLP' is no location: write it as module:name"),
        ("my_parts:", "my_parts:: my_parts has no ''."),
        ("../evil:f", "'../evil:f' is no location: write it as module:name"),
    ],
)  # fmt: skip
def test_a_location_that_leads_nowhere_says_how_far_it_got(lab, loc, message):
    assert message_of(locate, loc, lab.directory).startswith(message)


@pytest.mark.parametrize(
    ("loc", "nearest"), [("my_part:MLP", "my_parts"), ("torch.optm:Adam", "torch.optim")]
)
def test_a_module_that_is_not_there_suggests_the_nearest(lab, loc, nearest):
    found = message_of(locate, loc, lab.directory)

    assert found.endswith(f"nor in {lab.directory}. Did you mean {nearest!r}?")


def test_a_module_that_fails_is_one_line_with_the_users_file_and_line(lab):
    path = lab("broken", "import json\n\nvalue = json.loads('{')\n")
    found = message_of(locate, "broken:MLP", lab.directory)

    assert found.startswith(
        f"The module 'broken' cannot be imported: {path}, line 3: JSONDecodeError: Expecting"
    )


def test_a_failure_deeper_in_the_lab_is_shown_where_it_is(lab):
    path = lab("deeper", "def f():\n    return 1 / 0\n\n\nf()\n")
    lab("upper", "import deeper\n")
    found = message_of(locate, "upper:MLP", lab.directory)

    assert found.startswith(
        f"The module 'upper' cannot be imported: {path}, line 2: ZeroDivisionError"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "line 1: SyntaxError: invalid syntax"),
        ("import nothing_like_it\n", "line 1: ModuleNotFoundError: No module named 'nothing_like"),
        ("import torch.nothing_like_it\n", "line 1: ModuleNotFoundError: No module named 'torch.n"),
        ("raise SystemExit(3)\n", "line 1: SystemExit: 3"),
    ],
)
def test_every_way_to_fail_at_import_is_shown(lab, text, message):
    path = lab("broken", text)
    found = message_of(locate, "broken:MLP", lab.directory)

    assert found.startswith(f"The module 'broken' cannot be imported: {path}, {message}")


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("my_parts:MLP", {"hiden": 3}),
         "my_parts:MLP takes no argument 'hiden'. Did you mean 'hidden'?"),
        (Component("my_parts:MLP", {"hidden": 3, "zzz": 3}),
         "my_parts:MLP takes no argument 'zzz'. It takes: hidden, depth, inner."),
        (Component("my_parts:MLP", {}), "my_parts:MLP needs the argument 'hidden'."),
        (Component("my_parts:MLP", {"hidden": 1, "inner": {"loc": "my_parts:MLP"}}),
         "my_parts:MLP needs the argument 'hidden'."),
        (Component("my_parts:SIZE"), "my_parts:SIZE is a int, not a class or a function."),
    ],
)  # fmt: skip
def test_arguments_are_checked_by_the_signature(lab, component, message):
    assert message_of(check, component, lab.directory) == message


def test_arguments_given_by_position_are_neither_missing_nor_allowed(lab):
    adam = Component("torch.optim.Adam", {"lr": 0.1})
    twice = Component("torch.optim.Adam", {"params": 0.1})

    check(adam, lab.directory, given=["params"])
    assert message_of(check, adam, lab.directory) == "torch.optim.Adam needs the argument 'params'."
    assert "takes no argument 'params'" in message_of(check, twice, lab.directory, given=["params"])


def test_a_component_that_takes_anything_takes_anything(lab):
    check(Component("my_parts:anything", {"x": 1}), lab.directory)
    check(Component("my_parts:only_by_position", {"b": 1}), lab.directory, given=["a"])


def test_components_among_the_arguments_are_made_first(lab):
    loc = {"loc": "my_parts:MLP", "args": {"hidden": 1}}
    component = Component("my_parts:MLP", {"hidden": [loc, 2], "inner": {"a": loc}, "depth": 3})
    made = make(component, lab.directory)

    assert made.hidden[0].hidden == 1
    assert made.hidden[1] == 2
    assert made.inner["a"].hidden == 1
    assert [inner.loc for inner in component.inner()] == ["my_parts:MLP", "my_parts:MLP"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"loc": "a:b"}, True),
        ({"loc": "a:b", "args": None}, True),
        ({"loc": "a:b", "args": {}}, True),
        ({"loc": 3, "scale": 2}, False),
        ({"loc": 3}, False),
        ({"loc": "a", "scale": 1}, False),
        ("a:b", False),
    ],
)
def test_only_a_mapping_with_a_location_is_a_component(value, expected):
    assert is_component(value) is expected


def test_two_labs_may_have_modules_of_the_same_name(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_name.py").write_text(
            f"import same_helper\nvalue = lambda: ('{name}', same_helper.name)\n"
        )
        (tmp_path / name / "same_helper.py").write_text(f"name = '{name}'\n")

    for name in ("one", "two", "one"):
        assert locate("same_name:value", tmp_path / name)() == (name, name)
    assert sys.path.count(str(tmp_path / "one")) == 1
    assert str(tmp_path / "two") not in sys.path


def test_a_lab_put_back_into_the_path_by_somebody_else_shadows_no_other(tmp_path, monkeypatch):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shadow.py").write_text(f"value = lambda: '{name}'\n")
    locate("shadow:value", tmp_path / "one")
    kept = list(sys.path)
    locate("shadow:value", tmp_path / "two")
    monkeypatch.setattr(sys, "path", [*kept, *sys.path])

    assert locate("shadow:value", tmp_path / "three")() == "three"
    assert sys.path[-1] == str(tmp_path / "three")


def test_the_modules_of_a_lab_stay_the_same_while_their_files_do(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "steady.py").write_text("class A: pass\n")
    first = locate("steady:A", tmp_path / "one")
    locate("steady:A", tmp_path / "two")

    assert locate("steady:A", tmp_path / "one") is first


def test_a_module_edited_since_is_read_again_with_what_imports_it(lab):
    helper = lab("edited_helper", "value = 1\n")
    lab("edited", "from edited_helper import value\n\ndef f():\n    return value\n")
    assert locate("edited:f", lab.directory)() == 1

    helper.write_text("value = 2\n")

    assert locate("edited:f", lab.directory)() == 2


def test_a_module_written_after_a_failure_is_found(lab):
    message_of(locate, "late:f", lab.directory)
    before = lab.directory.stat()
    lab("late", "def f(): return 1\n")
    # As on a file system whose clock ticks once a second.
    os.utime(lab.directory, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert locate("late:f", lab.directory)() == 1


def test_importing_leaves_nothing_in_the_lab(lab, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    locate("my_parts:MLP", lab.directory)

    assert not (lab.directory / "__pycache__").exists()
    assert not sys.dont_write_bytecode


def test_our_own_packages_are_never_reloaded():
    # A lab at the root of this very repository holds our packages.
    import tracker
    from tracker.pipelines import lab_modules

    root = lab_modules.Path(tracker.__file__).parents[1]
    with importing(root):
        assert lab_modules._modules_in(root).keys().isdisjoint({"tracker", "engine"})


def test_the_directory_comes_last_also_in_a_fresh_process(lab):
    program = (
        "import sys; from pathlib import Path; from tracker.pipelines.components import locate;"
        f"locate('my_parts:MLP', Path({str(lab.directory)!r})); print(sys.path[-1])"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert printed.strip() == str(lab.directory)
