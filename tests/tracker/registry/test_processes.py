import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracker.registry import processes
from tracker.registry.processes import Life, life_of, this_process

linux_only = pytest.mark.skipif(not processes.HAS_PROC, reason="the system has no /proc")


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(condition):
    while not condition():
        time.sleep(0.01)


def test_this_process_is_alive():
    me = this_process()

    assert me.pid == os.getpid()
    assert life_of(me) is Life.ALIVE


def test_another_process_is_alive_until_it_ends(live_process):
    assert life_of(live_process.identity) is Life.ALIVE

    live_process.kill()

    assert life_of(live_process.identity) is Life.DEAD


@linux_only
def test_a_process_that_ended_but_was_not_waited_for_is_dead(live_process):
    live_process.kill(wait=False)
    wait_for(lambda: state_of(live_process.identity.pid) == "Z")

    assert life_of(live_process.identity) is Life.DEAD


@linux_only
def test_a_stopped_process_is_alive(live_process):
    live_process.popen.send_signal(signal.SIGSTOP)
    wait_for(lambda: state_of(live_process.identity.pid) == "T")

    assert life_of(live_process.identity) is Life.ALIVE


def test_a_pid_that_is_used_again_is_another_process(live_process):
    earlier = live_process.identity._replace(
        process_started=live_process.identity.process_started - 10
    )

    assert life_of(earlier) is Life.DEAD


@linux_only
def test_the_smallest_difference_in_the_start_tells_processes_apart(live_process):
    started = live_process.identity.process_started
    earlier = live_process.identity._replace(process_started=started - 0.01)

    assert life_of(earlier) is Life.DEAD


@linux_only
@pytest.mark.parametrize("change", [{"boot_id": "other"}, {"pid_namespace": "pid:[1]"}])
def test_other_boots_and_containers_are_out_of_sight(live_process, change):
    live_process.kill()

    assert life_of(live_process.identity._replace(**change)) is Life.OUT_OF_SIGHT


@linux_only
def test_a_changed_host_name_changes_nothing(live_process):
    assert life_of(live_process.identity._replace(host="renamed")) is Life.ALIVE


@linux_only
def test_a_process_that_proc_hides_is_out_of_sight(monkeypatch):
    def not_permitted(pid, sig):
        raise PermissionError

    me = this_process()
    monkeypatch.setattr(processes, "_started", lambda pid: None)
    monkeypatch.setattr(os, "kill", not_permitted)

    assert life_of(me) is Life.OUT_OF_SIGHT


class TestWithoutProc:
    """As on macOS and Windows, where psutil answers."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, monkeypatch):
        monkeypatch.setattr(processes, "HAS_PROC", False)
        processes._surroundings.cache_clear()
        yield
        monkeypatch.undo()
        processes._surroundings.cache_clear()

    def test_this_process_is_alive(self):
        me = this_process()

        assert (me.boot_id, me.pid_namespace) == (None, None)
        assert life_of(me) is Life.ALIVE

    def test_another_start_is_another_process(self):
        me = this_process()

        assert life_of(me._replace(process_started=me.process_started - 10)) is Life.DEAD

    def test_a_process_that_is_gone_is_dead(self, live_process):
        me = this_process()
        live_process.kill()

        assert life_of(me._replace(pid=live_process.identity.pid)) is Life.DEAD

    def test_another_host_is_out_of_sight(self):
        assert life_of(this_process()._replace(host="other")) is Life.OUT_OF_SIGHT


def test_a_forked_child_is_itself():
    parent = this_process()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(this_process().pid).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert int(os.read(reading, 20)) == child != parent.pid
    os.close(reading)
    os.close(writing)


@linux_only
def test_a_process_lives_until_its_last_thread_has_ended():
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print(flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        wait_for(lambda: state_of(child.pid) == "Z")
        assert processes._started(child.pid) is not None
        child.kill()
