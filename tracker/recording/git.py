"""What code a session runs: the commit, the branch, and what differs from the commit.

The patch holds the changes to tracked files and, because a new script is the change most
often missed, the untracked files that git does not ignore: code and configuration, by
suffix, of at most 256 KB each, so that neither data nor an `.env` file slips in.
`git apply` on the commit brings them back. Lines before the first `diff` say what was
left out; binary files appear as "Binary files differ".
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

PATCH_LIMIT = 1_000_000
UNTRACKED_LIMIT = 256_000
UNTRACKED_FILES = 500
TIMEOUT_S = 10.0

# fmt: off
UNTRACKED_SUFFIXES = {
    ".py", ".pyi", ".pyx", ".ipynb", ".sh", ".r", ".jl", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h",
    ".hpp", ".rs", ".sql", ".toml", ".yaml", ".yml", ".json", ".cfg", ".ini",
}
# fmt: on

# The lab itself changes with every run and is no code.
PATHS = (".", ":(exclude,glob)**/.labkeeper/**")


class Code(NamedTuple):
    """The state of one working tree; all None where there is no repository."""

    commit: str | None = None  # None: not in a repository, or nothing committed yet
    branch: str | None = None  # None: a detached HEAD, or not in a repository
    patch: str | None = None  # None: as committed


class Status(NamedTuple):
    commit: str | None
    branch: str | None
    changed: list[str]
    untracked: list[str]
    raw: bytes


def find_repository(places: Iterable[Path]) -> Path | None:
    """The working tree around the first of these directories that is in one."""
    for place in places:
        for directory in (place, *place.parents):
            if (directory / ".git").exists():
                return directory
    return None


def head_commit(root: Path) -> str | None:
    """The commit that is checked out at `root`; None if there is none, or git cannot tell."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip() or None
    except OSError:
        return None


def read_code(root: Path, cached_patch: Callable[[str, Callable[[], str]], str]) -> Code:
    """The state of the working tree at `root`.

    `cached_patch(fingerprint, make)` returns the patch made earlier for this fingerprint,
    or calls `make`. A repository that git cannot read is told in the patch.
    """
    try:
        status = _status(root)
        if not status.changed and not status.untracked:
            return Code(status.commit, status.branch)
        patch = cached_patch(_fingerprint(root, status), lambda: _make_patch(root, status))
    except OSError as error:
        return Code(patch=f"# Labkeeper could not read the repository {root}: {_words(error)}\n")
    return Code(status.commit, status.branch, patch)


def _status(root: Path) -> Status:
    arguments = ("--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all")
    raw = _git(root, "status", *arguments, "--", *PATHS)
    commit, branch = None, None
    changed, untracked = [], []
    for entry in raw.decode(errors="surrogateescape").split("\0"):
        if entry.startswith("# branch.oid "):
            commit = _unless(entry[13:], "(initial)")
        elif entry.startswith("# branch.head "):
            branch = _unless(entry[14:], "(detached)")
        elif entry.startswith("? "):
            untracked.append(entry[2:])
        elif entry.startswith("1 "):
            changed.append(entry.split(" ", 8)[8])
        elif entry.startswith("u "):
            changed.append(entry.split(" ", 10)[10])
    return Status(commit, branch, changed, untracked, raw)


def _fingerprint(root: Path, status: Status) -> str:
    """Changes whenever a file of the patch may have changed, without reading any."""
    digest = sha256(str(root).encode(errors="surrogateescape") + b"\0" + status.raw)
    for path in [*status.changed, *status.untracked[:UNTRACKED_FILES]]:
        # A file deleted meanwhile has no state, and that is its state.
        with contextlib.suppress(OSError):
            state = os.lstat(root / path)
            digest.update(b"%d %d %d;" % (state.st_mtime_ns, state.st_ctime_ns, state.st_size))
    return digest.hexdigest()


def _make_patch(root: Path, status: Status) -> str:
    candidates = status.untracked[:UNTRACKED_FILES]
    included = [path for path in candidates if _belongs(root / path)]
    left_out = sorted(set(status.untracked) - set(included))
    text, complete = _diff(root, included, has_commit=status.commit is not None)

    notes = []
    if left_out:
        notes.append(f"untracked and left out: {_some(left_out)}")
    if not complete:
        notes.append(f"cut at {PATCH_LIMIT:,} bytes; changed: {_some(status.changed)}")
    return "".join(f"# {note}\n" for note in notes) + text


def _diff(root: Path, untracked: list[str], *, has_commit: bool) -> tuple[str, bool]:
    """The changes as git writes them, and whether they are complete."""
    base = "HEAD" if has_commit else _empty_tree(root)
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
    with _index_with(root, untracked) as environment:
        asked = (*options, base, "--", *PATHS)
        raw = _git(root, "diff", *asked, environment=environment, limit=PATCH_LIMIT + 1)
    if len(raw) <= PATCH_LIMIT:
        return raw.decode(errors="replace"), True
    # Whole files only, so that what is there can be applied.
    end = raw.rfind(b"\ndiff --git ", 0, PATCH_LIMIT) + 1
    return raw[:end].decode(errors="replace"), False


def _empty_tree(root: Path) -> str:
    # Its name depends on the repository's hash function.
    return _git(root, "hash-object", "-t", "tree", os.devnull).decode().strip()


@contextlib.contextmanager
def _index_with(root: Path, untracked: list[str]) -> Iterator[dict[str, str]]:
    """Variables with which git also knows the untracked files; the real index stays as it is."""
    if not untracked:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="labkeeper-") as directory:
        index, names = Path(directory, "index"), Path(directory, "names")
        real_index, objects = _git_paths(root, "index", "objects")
        environment = {
            "GIT_INDEX_FILE": str(index),
            # `add` writes an object, even for a mere intention.
            "GIT_OBJECT_DIRECTORY": directory,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
        }
        if real_index.exists():  # it does not if nothing was ever added
            shutil.copyfile(real_index, index)
        names.write_bytes("\0".join(untracked).encode(errors="surrogateescape"))
        source = (f"--pathspec-from-file={names}", "--pathspec-file-nul")
        _git(root, "--literal-pathspecs", "add", "-N", *source, environment=environment)
        yield environment


def _git_paths(root: Path, *names: str) -> list[Path]:
    """Where the repository keeps these; in a worktree that is not below `root`."""
    wanted = [word for name in names for word in ("--git-path", name)]
    lines = _git(root, "rev-parse", *wanted).decode(errors="surrogateescape").splitlines()
    return [(root / line).resolve() for line in lines]


def _belongs(path: Path) -> bool:
    """Whether an untracked file goes into the patch."""
    if path.suffix.lower() not in UNTRACKED_SUFFIXES:
        return False
    with contextlib.suppress(OSError, UnicodeDecodeError):
        # Not through a link: it may lead anywhere.
        if path.is_symlink() or path.stat().st_size > UNTRACKED_LIMIT:
            return False
        return "\0" not in path.read_text(encoding="utf-8")
    return False


def _git(
    root: Path,
    *arguments: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    limit: int = 2**26,
) -> bytes:
    """What git prints, up to `limit` bytes. It writes nothing to the repository."""
    # A hook's own GIT_DIR or GIT_INDEX_FILE would lead to another repository.
    inherited = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", "-c", "core.fsmonitor=false", *arguments]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - a fixed command; names of files come after `--` or by file
            command,
            cwd=root,
            env={**inherited, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        output = _read(process, limit)
        if process.wait() and len(output) < limit:
            errors.seek(0)
            raise OSError(
                errors.read(500).decode(errors="replace").strip()
                or f"no answer within {TIMEOUT_S:g} s"
            )
        return output


def _read(process: subprocess.Popen[bytes], limit: int) -> bytes:
    """What it prints; whoever prints more than `limit` or takes too long is ended."""
    watchdog = threading.Timer(TIMEOUT_S, process.kill)
    watchdog.start()
    try:
        output = process.stdout.read(limit) if process.stdout else b""
        if len(output) == limit:
            process.kill()
        return output
    finally:
        watchdog.cancel()


def _unless(text: str, nothing: str) -> str | None:
    return None if text == nothing else text


def _some(names: list[str], limit: int = 20) -> str:
    shown = ", ".join(repr(name)[1:-1] for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def _words(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "git is not installed"
    return str(error).splitlines()[0]
