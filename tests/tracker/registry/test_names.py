import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.registry.names import checked_name, free_name


@pytest.mark.parametrize("name", ["a", "val/loss", "MLP, wide", "größe", "3", "a" * 250])
def test_ordinary_names_pass(name):
    assert checked_name("run", name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "must not be empty"),
        (" a", "begin or end with a space"),
        ("a\n", "begin or end with a space"),
        ("a\tb", "do not print"),
        ("a\0b", "do not print"),
        ("--json", "read as an option"),
        ("a" * 251, "has 251"),
        (7, "must be text, not 7"),
    ],
)
def test_names_that_cannot_be_typed_are_refused(name, why):
    with pytest.raises(InvalidError, match=why):
        checked_name("run", name)


def test_the_first_taken_ones_are_numbered():
    taken = set()
    for _ in range(5):
        taken.add(free_name("run", taken.__contains__))

    assert taken == {"run", "run-2", "run-3", "run-4", "run-5"}


@given(numbers=st.sets(st.integers(2, 100)))
def test_a_free_name_is_free_and_found_with_few_questions(numbers):
    taken = {"run", *(f"run-{number}" for number in numbers)}
    asked = []

    def is_taken(name):
        asked.append(name)
        return name in taken

    assert free_name("run", is_taken) not in taken
    assert len(asked) < 17


def test_the_thousandth_of_a_name_is_found_with_few_questions():
    taken = {"run", *(f"run-{number}" for number in range(2, 1001))}
    asked = []

    def is_taken(name):
        asked.append(name)
        return name in taken

    assert free_name("run", is_taken) == "run-1001"
    assert len(asked) < 25
