import errno
import inspect
import re
from pathlib import Path

import pytest

from tracker import errors
from tracker.errors import LabUnusableError, NotFoundError, TrackerError, unusable


def test_every_error_stands_in_the_tree_at_the_top():
    classes = [
        cls for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, TrackerError)
    ]  # fmt: skip
    drawn = {
        name: len(indent) // 4
        for indent, name in re.findall(r"^( *)(\w+Error)\b", errors.__doc__, re.MULTILINE)
    }

    depth = {cls.__name__: cls.__mro__.index(TrackerError) for cls in classes}
    assert drawn == depth


def test_a_missing_name_suggests_the_nearest():
    error = NotFoundError("run", "cnnn", ["mlp", "cnn"])

    assert str(error) == "There is no run named 'cnnn'. Did you mean 'cnn'?"
    assert isinstance(error, KeyError)
    assert str(NotFoundError("run", "x", ["mlp"])) == "There is no run named 'x'."


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "Cannot use lab: the disk is full. Free some space and try again."),
        (errno.EACCES, "Cannot use lab: permission is denied."),
        (errno.ENODEV, "Cannot use lab: No such device."),
    ],
)
def test_a_failed_operation_is_one_sentence(number, sentence):
    error = unusable(Path("lab"), OSError(number, "No such device"))

    assert isinstance(error, LabUnusableError)
    assert str(error) == sentence
