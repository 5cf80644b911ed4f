"""Whether files are what was registered."""

from collections.abc import Iterable
from typing import NamedTuple

from tracker.errors import InvalidError, LabUnusableError
from tracker.files import LabFiles
from tracker.files.lab_files import MISSING
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
    """`missing`, or else what is wrong with it; None if it is whole."""
    try:
        if file.content is not None:
            return files.problem_of(file.content)
        return None if files.path(file.path).is_file() else MISSING
    except (InvalidError, LabUnusableError) as error:
        return f"unusable: {str(error).rstrip('.')}"


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
