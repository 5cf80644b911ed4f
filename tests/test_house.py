"""The promises that concern the repository as a whole."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = sorted(
    path
    for folder in ("engine", "tracker", "migrations", "tests", "benchmarks", "examples", "docs")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_file_passes_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def test_the_lock_pins_every_dependency_to_one_version_that_fits():
    pins = locked()
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]

    for requirement in map(Requirement, wanted):
        pin = pins[canonicalize_name(requirement.name)]
        (version,) = (specifier.version for specifier in pin.specifier)
        assert requirement.specifier.contains(version), requirement


def test_the_lock_names_no_local_build():
    assert all("+" not in str(pin.specifier) for pin in locked().values())


def surroundings(left_out):
    """The environment without what leaks from whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def test_make_without_a_target_lists_every_target():
    run = subprocess.run(
        ["make"], cwd=ROOT, env=surroundings("MAKE"), capture_output=True, text=True, check=True
    )
    targets = [line.split()[0] for line in run.stdout.splitlines()]

    assert targets == ["install", "demo", "check", "test", "test-slow", "bench", "docs"]


def test_sources_name_no_registry_and_no_path_of_a_machine():
    stray = re.compile(r"/root/|/work/|https?://(?!keepachangelog|mermaid)[\w.]*pypi")
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    texts = [ROOT / name for name in names if not name.endswith((".png", ".gif", ".db", ".lock"))]

    found = [
        str(path)
        for path in texts
        if path.exists()
        and path != Path(__file__)
        and stray.search(path.read_text(errors="replace"))
    ]
    assert found == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the built wheel; its dependencies are this environment's."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    (packages,) = (place / "venv").glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", str(place / "venv" / "bin" / "python")]
    subprocess.run(
        [*install, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
    )
    # A plain path line: the editable install's own .pth beside it is not followed.
    (dependencies,) = (path for path in sys.path if path.endswith("site-packages"))
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return place / "venv" / "bin"


@pytest.mark.parametrize("command", [["labkeeper"], ["python", "-m", "tracker"]])
def test_the_wheel_works_in_an_empty_directory(installed, tmp_path, command):
    program = [str(installed / command[0]), *command[1:]]

    def labkeeper(*arguments):
        result = subprocess.run(
            [*program, *arguments],
            cwd=tmp_path,
            env=surroundings("PYTHONPATH"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "Usage:" in labkeeper("--help")
    labkeeper("init")
    assert (tmp_path / ".labkeeper" / "lab.db").exists()
    assert labkeeper("runs", "--json").strip() == "[]"


def test_the_wheel_holds_nothing_of_the_checkout(installed, tmp_path):
    program = "import tracker, engine; print(tracker.__file__, engine.__file__)"
    found = subprocess.run(
        [str(installed / "python"), "-c", program],
        cwd=tmp_path,
        env=surroundings("PYTHONPATH"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert str(ROOT) + "/" not in found.replace(str(installed.parent), "")
