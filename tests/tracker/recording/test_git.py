import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tracker.recording import git
from tracker.recording.git import find_repository, read_code

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def make(_fingerprint, patch):
    return patch()


def run_git(directory, *arguments):
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "gc.auto=0")
    command = ["git", *name, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """One commit with two files."""
    root = tmp_path / "project"
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    (root / "train.py").write_text("rate = 0.1\n")
    (root / "data.bin").write_bytes(bytes(range(256)))
    (root / ".gitignore").write_text("*.log\n")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "First")
    return root


def test_a_clean_tree_has_commit_and_branch_and_no_patch(repository):
    code = read_code(repository, make)

    assert code == (run_git(repository, "rev-parse", "HEAD"), "main", None)


def test_a_detached_head_has_no_branch(repository):
    run_git(repository, "checkout", "-q", "--detach")

    assert read_code(repository, make).branch is None


def test_the_patch_brings_changed_and_untracked_files_back(repository, tmp_path):
    clean = tmp_path / "clean"
    run_git(tmp_path, "clone", "-q", str(repository), str(clean))
    (repository / "train.py").write_text("rate = 0.2\n")
    odd = repository / 'folder "é"' / "new model.py"
    odd.parent.mkdir()
    odd.write_text("no newline at the end")
    (repository / "staged.py").write_text("import this\n")
    run_git(repository, "add", "staged.py")

    patch = read_code(repository, make).patch
    (tmp_path / "changes.patch").write_text(patch)
    run_git(clean, "apply", str(tmp_path / "changes.patch"))

    changed = ("train.py", odd.relative_to(repository), "staged.py")
    assert [(clean / name).read_bytes() for name in changed] == [
        (repository / name).read_bytes() for name in changed
    ]


def test_reading_leaves_the_repository_as_it_was(repository):
    (repository / "train.py").write_text("rate = 0.2\n")
    (repository / "new.py").write_text("\n")

    def everything():
        return {path: path.stat().st_mtime_ns for path in repository.rglob("*")}

    before = everything()
    assert read_code(repository, make).patch
    assert everything() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", b"1,2\n"),
        (".env", b"PASSWORD=1\n"),
        ("latin.py", b"\xe9\n"),
        ("zeros.py", b"\0\n"),
        ("big.py", b"#" * (git.UNTRACKED_LIMIT + 1)),
    ],
)
def test_what_is_not_code_is_only_named(repository, name, content):
    (repository / name).write_bytes(content)

    assert read_code(repository, make).patch == f"# untracked and left out: {name}\n"


def test_a_link_is_not_followed(repository, tmp_path):
    (tmp_path / "secret.py").write_text("password = 1\n")
    (repository / "link.py").symlink_to(tmp_path / "secret.py")

    assert read_code(repository, make).patch == "# untracked and left out: link.py\n"


def test_ignored_files_and_the_lab_are_no_change(repository):
    (repository / "out.log").write_text("x")
    for lab in (repository, repository / "deep"):
        (lab / ".labkeeper").mkdir(parents=True)
        (lab / ".labkeeper" / "lab.py").write_text("x")

    assert read_code(repository, make).patch is None


def test_a_patch_too_large_is_cut_between_files_and_says_so(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(git, "PATCH_LIMIT", 1000)
    (repository / "a.py").write_text("small\n")
    (repository / "b.py").write_text("# large\n" * 200)

    patch = read_code(repository, make).patch

    assert patch.startswith("# cut at 1,000 bytes")
    assert "+small" in patch
    assert "large" not in patch
    (tmp_path / "changes.patch").write_text(patch)
    run_git(repository, "apply", "--check", "--reverse", str(tmp_path / "changes.patch"))


def test_a_repository_without_a_commit_shows_what_is_staged(tmp_path):
    run_git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("rate = 0.1\n")
    run_git(tmp_path, "add", ".")

    code = read_code(tmp_path, make)

    assert (code.commit, code.branch) == (None, "main")
    assert "+rate = 0.1" in code.patch


def test_an_untracked_file_of_a_repository_without_an_index_is_in_the_patch(tmp_path):
    run_git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("rate = 0.1\n")

    assert "+rate = 0.1" in read_code(tmp_path, make).patch


def test_a_worktree_is_read_as_itself(repository, tmp_path):
    run_git(repository, "worktree", "add", "-q", "-b", "try", str(tmp_path / "try"))
    (tmp_path / "try" / "new.py").write_text("x = 1\n")

    code = read_code(find_repository([tmp_path / "try"]), make)

    assert code.branch == "try"
    assert "+x = 1" in code.patch


def test_another_repository_in_the_environment_does_not_lead_astray(
    repository, tmp_path, monkeypatch
):
    # As inside a git hook.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nothing"))

    assert read_code(repository, make).branch == "main"


def test_the_fingerprint_is_the_same_until_something_changes(repository):
    fingerprints = []

    def note(fingerprint, _patch):
        fingerprints.append(fingerprint)
        return "patch"

    def look():
        assert read_code(repository, note).patch == "patch"

    new = repository / "new.py"
    new.write_text("1\n")
    look()
    look()
    state = new.stat()
    new.write_text("2\n")  # of the same size, and then of the same time
    os.utime(new, ns=(state.st_atime_ns, state.st_mtime_ns))
    look()
    run_git(repository, "add", "new.py")
    look()
    run_git(repository, "commit", "-q", "-m", "Second")
    (repository / "train.py").write_text("rate = 0.3\n")
    look()

    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 4


def test_a_missing_git_is_told(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")

    code = read_code(repository, make)

    assert code == (
        None,
        None,
        f"# Labkeeper could not read the repository {repository}: git is not installed\n",
    )


def test_a_repository_that_git_refuses_is_told(repository):
    (repository / ".git" / "HEAD").write_text("nonsense\n")

    assert "could not read the repository" in read_code(repository, make).patch


def test_a_git_that_hangs_is_given_up(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(git, "TIMEOUT_S", 0.2)
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")

    assert read_code(repository, make).patch.endswith("no answer within 0.2 s\n")


def test_the_first_place_in_a_repository_counts(repository, tmp_path):
    deep = repository / "a" / "b"
    deep.mkdir(parents=True)

    assert find_repository([tmp_path, deep, Path("/")]) == repository
    assert find_repository([tmp_path]) is None
