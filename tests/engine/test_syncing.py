"""Bringing files to the disk beside other work: all of them, and no error is lost."""

import os
from threading import Event

import pytest

from engine.syncing import Syncing

LARGE = 16 * 2**20


@pytest.fixture
def syncing():
    syncing = Syncing()
    yield syncing
    syncing.close()


@pytest.fixture
def synced(monkeypatch):
    """How often something was synced."""
    done = []
    monkeypatch.setattr(os, "fsync", lambda _: done.append(1))
    return done


@pytest.fixture
def slowly(monkeypatch):
    """How often something was synced; each takes so many seconds, or until it may go on."""
    go_on, done = Event(), []

    def make(seconds):
        def slow(_):
            go_on.wait(seconds)
            done.append(1)

        monkeypatch.setattr(os, "fsync", slow)
        return go_on, done

    return make


def test_waits_until_everything_is_on_the_disk(syncing, tmp_path, slowly):
    _, done = slowly(0.05)
    path = tmp_path / "a"
    path.touch()
    for _ in range(3):
        syncing.start(path)
    syncing.wait()

    assert len(done) == 3


def test_begins_once_there_is_enough(syncing, tmp_path, synced):
    path = tmp_path / "a"
    path.touch()
    syncing.wrote(path, LARGE - 1)
    syncing.wait()
    assert len(synced) == 0

    syncing.wrote(path, 1)
    syncing.wrote(path, 1)
    syncing.wait()
    assert len(synced) == 1


def test_begins_nothing_while_it_is_busy(syncing, tmp_path, slowly):
    go_on, done = slowly(10)
    path = tmp_path / "a"
    path.touch()
    for _ in range(5):
        syncing.wrote(path, LARGE)
    go_on.set()
    syncing.wait()

    assert len(done) == 1


def test_a_disk_that_fails_is_told(syncing, tmp_path, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "a"
    path.touch()
    syncing.start(path)
    with pytest.raises(OSError, match="Input/output"):
        syncing.wait()
