"""Where a session runs: code, packages, Python, host, processor, graphics cards.

Captured without being asked for, and without importing anything heavy. What takes longer
(the patch of a dirty working tree, `nvidia-smi`) is remembered in the lab, keyed by what
it depends on.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tracker.recording.git import Code, find_repository, read_code

CACHE = "environment.json"
KEPT_PATCHES = 8
DIST_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")
NVIDIA = Path("/proc/driver/nvidia")
SMI_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Environment:
    """What code ran where. Equal ones have equal hashes."""

    git_commit: str | None
    git_branch: str | None
    patch: str | None
    python: str
    packages: dict[str, str]
    host: str
    platform: str
    cpu: str
    gpu: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """The columns of `tables.Environment`, beside hash and moment."""
        return dict(self.__dict__)

    @property
    def hash(self) -> str:
        return sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()


def capture(lab: Path) -> Environment:
    """This process's environment now. Never raises for want of git, cards or a writable lab."""
    cache = Cache(lab / ".labkeeper" / CACHE)
    repository = find_repository(_places(lab))
    code = read_code(repository, cache.patch) if repository else Code()
    environment = Environment(
        git_commit=code.commit,
        git_branch=code.branch,
        patch=code.patch,
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        packages=installed_packages(),
        host=platform.node(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=_processor(),
        gpu=_cards(cache),
    )
    cache.save()
    return environment


class Cache:
    """What was found out earlier, in a JSON file that may vanish or be damaged at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = self._load()
        self._changed = False

    def patch(self, fingerprint: str, make: Callable[[], str]) -> str:
        return self._remember("patches", fingerprint, make, keep=KEPT_PATCHES)

    def cards(self, boot: str, make: Callable[[], str]) -> str:
        return self._remember("cards", boot, make, keep=1)

    def save(self) -> None:
        """Write what is new. A lab that cannot be written to just goes without."""
        if not self._changed:
            return
        aside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            aside.write_text(json.dumps(self._content), encoding="utf-8")
            aside.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)

    def _remember(self, kind: str, key: str, make: Callable[[], str], *, keep: int) -> str:
        known = self._content[kind]
        if key not in known:
            found = make()
            if not found:  # worth another try next time
                return found
            known[key] = found
            self._changed = True
            for oldest in list(known)[:-keep]:
                del known[oldest]
        return known[key]

    def _load(self) -> dict[str, dict[str, str]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        return {kind: _texts(content, kind) for kind in ("patches", "cards")}


def installed_packages() -> dict[str, str]:
    """Version by normalized name, as an import would find them.

    Read off the names of the `dist-info` directories, which the packaging standard fixes;
    only older kinds of metadata are opened.
    """
    packages: dict[str, str] = {}
    for directory in sys.path:
        for name, version in _packages_in(directory or os.curdir):
            packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return dict(sorted(packages.items()))


def _packages_in(directory: str) -> Iterator[tuple[str, str]]:
    # A path that is no directory, such as a zip, has none.
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if match := DIST_INFO.fullmatch(entry.name):
                yield match["name"], match["version"]
            elif entry.name.endswith(".egg-info"):
                metadata = importlib.metadata.PathDistribution(Path(entry.path)).metadata
                if metadata["Name"] and metadata["Version"]:
                    yield metadata["Name"], metadata["Version"]


def _places(lab: Path) -> Iterator[Path]:
    """Where the code that runs may live: beside the script, in the lab, in this directory."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    # A console script of the virtual environment says nothing about the user's code.
    if script and not Path(script).resolve().is_relative_to(Path(sys.prefix).resolve()):
        yield Path(script).resolve().parent
    yield lab.resolve()
    yield Path.cwd()


def _processor() -> str:
    name = _found(r"^model name\s*:\s*(.+?)\s*$", Path("/proc/cpuinfo"))
    return f"{name or platform.machine()}, {os.cpu_count()} cores"


def _cards(cache: Cache) -> str | None:
    """The NVIDIA cards of this machine and their driver, without loading CUDA."""
    cards = sorted(_cards_in_proc())
    if not cards and shutil.which("nvidia-smi"):
        cards = cache.cards(_boot(), _ask_smi).splitlines()
    return "; ".join(cards) or None


def _cards_in_proc() -> Iterator[str]:
    driver = _found(r"^NVRM version:.*?\s(\d+\.[\d.]+)\s", NVIDIA / "version")
    for information in NVIDIA.glob("gpus/*/information"):
        if model := _found(r"^Model:\s*(.+?)\s*$", information):
            yield f"{model}, {driver}" if driver else model


def _ask_smi() -> str:
    """One line a card, `name, driver`; nothing if the tool fails or hangs."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _found(pattern: str, path: Path) -> str | None:
    """The pattern's group in this file; None also where a container forbids reading it."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else None


def _boot() -> str:
    """Names this start of this machine: cards do not change while it runs."""
    boot = _found(r"(\S+)", Path("/proc/sys/kernel/random/boot_id"))
    return f"{platform.node()} {boot}"


def _texts(content: Any, kind: str) -> dict[str, str]:
    """The remembered texts of this kind; nothing, if the file holds something else."""
    known = content.get(kind) if isinstance(content, dict) else None
    if not isinstance(known, dict) or not all(isinstance(text, str) for text in known.values()):
        return {}
    return known
