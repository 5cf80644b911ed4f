"""Whether files are what was registered."""

from collections.abc import Iterable
from typing import NamedTuple

from tracker.errors import DamagedFileError, InvalidError, LabUnusableError
from tracker.files import LabFiles
from tracker.registry.registered import Registered


class Fault(NamedTuple):
    """A registered file that is missing or is not what was written."""

    whose: str  # "checkpoint 'train-epoch-3' of run 'mlp'"
    path: str
    problem: str


class Verified(NamedTuple):
    """How many files were read, and what is wrong with some of them."""

    files: int
    bytes: int
    faults: list[Fault]


def problem_of(file: Registered, files: LabFiles) -> str | None:
    """What is wrong with the file, in a sentence; None if it is whole."""
    try:
        if file.content is None:
            files.describe(file.path)
        else:
            files.verify(file.content)
    except (DamagedFileError, InvalidError, LabUnusableError) as error:
        return str(error)
    return None


def verify(registered: Iterable[Registered], files: LabFiles) -> Verified:
    """Reads every one of the files, and compares it with its hash where it has one."""
    wanted = list(registered)
    problems = [problem_of(file, files) for file in wanted]
    whole = [file for file, problem in zip(wanted, problems, strict=True) if problem is None]
    return Verified(
        len(wanted),
        sum(files.path(file.path).stat().st_size for file in whole),
        [
            Fault(file.whose, file.path, problem)
            for file, problem in zip(wanted, problems, strict=True)
            if problem is not None
        ],
    )
