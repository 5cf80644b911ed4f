"""`promises.txt` says what users may rely on, and which tests would fail without it."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def promises():
    """Each line that is not indented, with the tests below it."""
    kept = {}
    for line in (HERE / "promises.txt").read_text().splitlines():
        if not line.startswith(" "):
            assert line not in kept
            tests = kept[line] = []
        else:
            tests.append(line.strip())
    return kept


PROMISES = promises()


def names_in(file):
    """The names of a file's tests, with the classes around them."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{one.name}" for one in node.body if hasattr(one, "name"))


@pytest.mark.parametrize("promise", PROMISES)
def test_is_kept_by_tests_that_are_there(promise):
    assert PROMISES[promise]
    for test in PROMISES[promise]:
        file, _, name = test.partition("::")
        assert name in names_in(HERE / file), test
