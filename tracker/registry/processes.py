"""Who this process is, and whether another one still lives.

A process is known by its id together with its start: ids are used again. On Linux the
start is in seconds since boot, which no change of the clock touches, and belongs to a boot
and a pid namespace; elsewhere it is in seconds since 1970.
"""

import os
import platform
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HAS_PROC = BOOT_ID.exists()
# Elsewhere the start is known through psutil, which derives it from the clock.
CLOCK_TOLERANCE_S = 2.0
ZOMBIE_OR_DEAD = "ZXx"


class Process(NamedTuple):
    """One process, told apart from every other there ever was; as `sessions` stores it."""

    host: str
    boot_id: str | None
    pid_namespace: str | None
    pid: int
    process_started: float


class Life(Enum):
    ALIVE = "alive"
    DEAD = "dead"
    # On another host or in another container: only its heartbeat says.
    OUT_OF_SIGHT = "out of sight"


def this_process() -> Process:
    """The identity of this process; after a fork, of the child."""
    boot_id, namespace = _surroundings()
    pid = os.getpid()
    started = _started(pid)
    if started is None:
        raise RuntimeError(f"The system says nothing about this process ({pid}).")
    return Process(platform.node(), boot_id, namespace, pid, started)


def life_of(process: Process) -> Life:
    """Whether the process lives, as far as it can be seen from here.

    A stopped process (SIGSTOP) lives; one that has ended but was not waited for does not.
    """
    boot_id, namespace = _surroundings()
    if (process.boot_id, process.pid_namespace) != (boot_id, namespace):
        return Life.OUT_OF_SIGHT
    if boot_id is None and process.host != platform.node():
        return Life.OUT_OF_SIGHT
    started = _started(process.pid)
    if started is not None:
        same = abs(started - process.process_started) <= (0 if boot_id else CLOCK_TOLERANCE_S)
        return Life.ALIVE if same else Life.DEAD
    return Life.OUT_OF_SIGHT if _exists_hidden(process.pid) else Life.DEAD


@cache
def _surroundings() -> tuple[str | None, str | None]:
    """The boot and the pid namespace that this process's ids belong to; None off Linux."""
    if not HAS_PROC:
        return None, None
    return BOOT_ID.read_text(encoding="ascii").strip(), str(Path("/proc/self/ns/pid").readlink())


def _started(pid: int) -> float | None:
    """When the process began; None if there is none, or nothing is known of it."""
    if not HAS_PROC:
        return _started_by_psutil(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The name, in parentheses, may hold anything; the state is the first field after it.
    state, *fields = stat.rpartition(")")[2].split()
    # A killed process may have threads that end later than its first one, and hold its files.
    if state in ZOMBIE_OR_DEAD and int(fields[16]) <= 1:
        return None
    return int(fields[18]) / os.sysconf("SC_CLK_TCK")


def _started_by_psutil(pid: int) -> float | None:
    import psutil  # noqa: PLC0415 - where the system has no /proc

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def _exists_hidden(pid: int) -> bool:
    """Whether a process is there of which /proc shows nothing (mounted with hidepid)."""
    if not HAS_PROC:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    # Ours to signal, so /proc would have shown it: a zombie.
    return False
