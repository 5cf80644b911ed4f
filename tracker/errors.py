"""What can go wrong, in words a user can act on.

TrackerError
    LabError                what concerns the lab as a place
        NoLabError              no lab here or above
        NewerLabError           written by a newer version of Labkeeper
        LabUnusableError        read-only, full, damaged, or not a lab at all
    NotFoundError           a name that is not there (also a KeyError)
    TakenError              a name or a configuration that is there already
    InvalidError            a value or an argument that makes no sense (also a ValueError)
        UnsaidError             a call that does not say what is meant
        FilterError             a filter that does not parse or names nothing known
        ConfigurationError      a pipeline's configuration, with its file and line
        ComponentError          a component that does not import or refuses its arguments
    StateError              not possible in the present state: running, archived, finished
    DamagedFileError        a registered file that is missing or does not match its hash
    BundleError             a bundle that is damaged, foreign, or of a newer version
"""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence that suggests the nearest known name, or nothing at all."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class TrackerError(Exception):
    """Something the user can put right. The command line prints the message, not a traceback."""


class LabError(TrackerError):
    """What concerns the lab as a place."""


class NoLabError(LabError):
    """There is no lab in this directory or any above it."""


class NewerLabError(LabError):
    """The lab was written by a newer version of Labkeeper."""


class LabUnusableError(LabError):
    """The lab cannot be read or written: read-only, full, damaged, or not a lab at all."""


class NotFoundError(TrackerError, KeyError):
    """A name that is not there; suggests the nearest that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"There is no {kind} named {name!r}.{did_you_mean(name, known)}")

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


class TakenError(TrackerError):
    """A name or a configuration that is there already."""


class InvalidError(TrackerError, ValueError):
    """A value, a configuration or an argument that makes no sense."""


class UnsaidError(InvalidError):
    """A call that does not say what is meant: no name, and no filter in its place."""

    def __init__(
        self, message: str = "Say which are meant: by name, or by --pipelines or --runs FILTER."
    ) -> None:
        super().__init__(message)


class FilterError(InvalidError):
    """A filter that does not parse, or names nothing known; the message shows the column."""


class ConfigurationError(InvalidError):
    """A pipeline's configuration is wrong; the message names the file and the line if known."""


class ComponentError(InvalidError):
    """A component that cannot be imported, or that refuses its arguments."""


class StateError(TrackerError):
    """Not possible in the present state: running, archived, finished."""


class DamagedFileError(TrackerError):
    """A registered file that is missing or does not match its hash."""


class BundleError(TrackerError):
    """A bundle that is not taken in: damaged, foreign, or written by a newer version."""


_BECAUSE = {
    errno.ENOSPC: "the disk is full. Free some space and try again",
    errno.EDQUOT: "the disk quota is used up. Free some space and try again",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted here",
    errno.ENOTDIR: "a file is in the way of the directory",
    errno.EEXIST: "a file is in the way of the directory",
    errno.EISDIR: "a directory is in the way of the file",
    errno.ENOENT: "it, or its directory, is not there",
}


def unusable(path: "Path", error: OSError) -> LabUnusableError:
    """What a failed operation on a lab's directory or file means to the user."""
    known = _BECAUSE.get(error.errno or 0)
    return LabUnusableError(f"Cannot use {path}: {known or error.strerror or error}.")
