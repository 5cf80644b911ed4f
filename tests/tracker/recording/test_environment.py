import dataclasses
import importlib.metadata
import json
import os
import re
import subprocess
import sys

import pytest

from tracker.recording import environment
from tracker.recording.environment import Cache, capture, installed_packages


@pytest.fixture
def lab(tmp_path):
    (tmp_path / ".labkeeper").mkdir()
    return tmp_path


def test_capture_tells_python_host_processor_and_packages(lab):
    captured = capture(lab)

    assert captured.python.startswith("{}.{}.{}".format(*sys.version_info[:3]))
    assert captured.host == os.uname().nodename
    assert captured.cpu.endswith(f"{os.cpu_count()} cores")
    assert captured.packages["numpy"] == importlib.metadata.version("numpy")


def test_packages_agree_with_importlib():
    slow = {}
    for found in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        slow.setdefault(name, found.version)

    assert installed_packages() == slow


def test_old_metadata_is_read_and_the_first_on_the_path_wins(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "Old_Style.egg-info").mkdir(parents=True)
    (first / "Old_Style.egg-info" / "PKG-INFO").write_text("Name: Old.Style\nVersion: 1.5\n")
    (first / "twice-2.0.dist-info").mkdir()
    (second / "twice-1.0.dist-info").mkdir(parents=True)
    (second / "a_b-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(first), str(tmp_path / "missing.zip"), str(second)])

    assert installed_packages() == {"a-b": "1.0", "old-style": "1.5", "twice": "2.0"}


def test_equal_environments_share_a_hash_and_any_change_gives_another(lab):
    captured = capture(lab)
    others = [
        dataclasses.replace(
            captured, **{field.name: {"x": "1"} if field.name == "packages" else "x"}
        )
        for field in dataclasses.fields(captured)
    ]

    assert capture(lab).hash == captured.hash
    assert len({each.hash for each in [captured, *others]}) == 1 + len(others)


def test_the_patch_is_made_once_for_a_fingerprint(lab):
    calls = []

    def make():
        calls.append(1)
        return "patch"

    for _ in range(2):
        cache = Cache(lab / ".labkeeper" / "environment.json")
        assert cache.patch("abc", make) == "patch"
        cache.save()

    assert len(calls) == 1
    assert cache.patch("other", lambda: "different") == "different"


def test_only_the_latest_patches_are_kept(lab):
    cache = Cache(lab / ".labkeeper" / "environment.json")
    for number in range(environment.KEPT_PATCHES + 3):
        cache.patch(str(number), lambda: "patch")
    cache.save()

    kept = json.loads((lab / ".labkeeper" / "environment.json").read_text())["patches"]
    assert list(kept) == [str(number) for number in range(3, environment.KEPT_PATCHES + 3)]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"patches": 3}', '{"patches": {"abc": 1}, "cards": []}', "\0"],
)
def test_a_damaged_cache_is_as_none(lab, content):
    (lab / ".labkeeper" / "environment.json").write_text(content)

    cache = Cache(lab / ".labkeeper" / "environment.json")

    assert cache.patch("abc", lambda: "made") == "made"
    cache.save()
    assert json.loads((lab / ".labkeeper" / "environment.json").read_text())["patches"]


def test_a_lab_that_cannot_be_written_is_no_hindrance(tmp_path):
    captured = capture(tmp_path / "missing")
    cache = Cache(tmp_path / "missing" / "environment.json")
    cache.patch("abc", lambda: "made")
    cache.save()

    assert captured.python
    assert list(tmp_path.iterdir()) == []


def test_an_unanswered_question_is_asked_again(lab):
    cache = Cache(lab / ".labkeeper" / "environment.json")

    assert cache.cards("boot", lambda: "") == ""
    assert cache.cards("boot", lambda: "NVIDIA A100, 550.54") == "NVIDIA A100, 550.54"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A directory on the PATH that can hold another nvidia-smi."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setattr(environment, "NVIDIA", tmp_path / "none")

    def make(name, text):
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)

    return make


def test_cards_are_asked_of_nvidia_smi_once(lab, tools, tmp_path):
    tools("nvidia-smi", f"#!/bin/sh\necho called >> {tmp_path}/calls\necho 'NVIDIA A100, 550.54'\n")

    assert [capture(lab).gpu for _ in range(2)] == ["NVIDIA A100, 550.54"] * 2
    assert (tmp_path / "calls").read_text() == "called\n"


def test_an_nvidia_smi_that_fails_or_hangs_means_no_cards(lab, tools, monkeypatch):
    monkeypatch.setattr(environment, "SMI_TIMEOUT_S", 0.2)

    tools("nvidia-smi", "#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert capture(lab).gpu is None
    tools("nvidia-smi", "#!/bin/sh\nexec sleep 60\n")
    assert capture(lab).gpu is None


def test_cards_are_read_from_the_driver_where_it_tells(lab, tmp_path, monkeypatch):
    card = tmp_path / "nvidia" / "gpus" / "0000:01:00.0" / "information"
    card.parent.mkdir(parents=True)
    card.write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t 42\n")
    (tmp_path / "nvidia" / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n"
    )
    monkeypatch.setattr(environment, "NVIDIA", tmp_path / "nvidia")

    assert capture(lab).gpu == "NVIDIA H100 80GB HBM3, 550.54.15"


def program(lab, directory):
    """A script that prints the commit which the capture finds."""
    directory.mkdir(parents=True, exist_ok=True)
    script = directory / "train.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tracker.recording.environment import capture\n"
        f"print(capture(Path({str(lab)!r})).git_branch)\n"
    )
    return script


def test_the_repository_beside_the_script_counts_then_the_labs(tmp_path):
    lab = tmp_path / "lab"

    def repository(directory, branch):
        directory.mkdir(exist_ok=True)
        subprocess.run(["git", "init", "-q", "-b", branch, str(directory)], check=True)

    def branch(script):
        command = [sys.executable, str(script)]
        return subprocess.check_output(command, text=True, cwd=tmp_path / "here").strip()

    for name in ("here", "code"):
        repository(tmp_path / name, name)
    beside = program(lab, tmp_path / "code" / "deep")
    outside = program(lab, tmp_path / "outside")

    assert branch(beside) == "code"
    assert branch(outside) == "here"
    repository(lab, "lab")
    assert branch(outside) == "lab"


def test_capturing_imports_nothing_heavy():
    program = "import sys, tracker.recording.environment; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()

    assert {"torch", "pandas", "numpy", "sqlalchemy"}.isdisjoint(modules)
