"""Killed at any step, a lab is as before or as after; repeated, the deed ends clean."""

import itertools
import os
import shutil
import signal
import sys

import pytest

from tests.tracker.transfer import contents
from tracker.files.durable import ASIDE
from tracker.lab import Lab
from tracker.registry.health import Severity
from tracker.registry.registered import registered_files
from tracker.transfer.staging import Stage
from tracker.transfer.writing import BundleWriter

# What Python tells of before it is done; each is a step at which power may fail.
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"}
# In the bundle of two runs.
FILES = "14"


@pytest.fixture(scope="module")
def small(empty_database, tmp_path_factory):
    """The root of a lab with two runs, and a bundle of it."""
    root = tmp_path_factory.mktemp("small") / "here"
    (root / ".labkeeper" / "files").mkdir(parents=True)
    shutil.copy(empty_database, root / ".labkeeper" / "lab.db")
    with Lab(root) as lab:
        contents.fill(lab, runs=2)
        lab.export_bundle(root.with_name("all.bundle"), everything=True)
    return root, root.with_name("all.bundle")


@pytest.fixture
def killed_at_step(in_child):
    """Runs a function in a child that dies at the nth step that it does with a file under here."""

    def run(number, folder, function):
        counter = itertools.count()
        parent = os.getpid()

        def count(event, arguments):
            if event not in STEPS or os.getpid() == parent:
                return
            if str(folder) in str(arguments[0]) and next(counter) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def die_or_run():
            sys.addaudithook(count)
            return function()

        return in_child(die_or_run)

    return run


def assert_clean(lab):
    """No fault, no file that is not registered, nothing that is not finished."""
    assert [found for found in lab.doctor() if found.severity is not Severity.NOTE] == []
    with lab.database.read() as session:
        known = {file.path for file in registered_files(session) if file.path.startswith("files/")}
    assert set(lab.files.everything()) == known
    assert not list(lab.files.root.rglob(f"{ASIDE}*"))


class TestImport:
    def until_it_ends(self, small, there, kill, step):
        """Kills an import at one step after the other, and repeats it each time."""
        root, bundle = small
        with Lab(root) as here:
            after = contents.rows(here)
        before = contents.rows(there)
        there.close()
        for number in itertools.count(0, step):
            lab = Lab(shutil.copytree(there.root, there.root.with_name(f"there-{number}")))
            ended = kill(number, lambda lab=lab: Lab(lab.root).import_bundle(bundle).files)
            assert contents.rows(lab) in (before, after)
            lab.import_bundle(bundle)
            assert contents.rows(lab) == after
            assert_clean(lab)
            lab.close()
            shutil.rmtree(lab.root)
            if ended.signal == 0:
                break
        assert ended.text == FILES
        assert number > 2 * step

    def test_at_statements(self, small, there, killed_at):
        self.until_it_ends(small, there, killed_at, 97)

    @pytest.mark.slow
    def test_at_every_statement(self, small, there, killed_at):
        self.until_it_ends(small, there, killed_at, 1)

    @pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
    def test_at_what_it_does_with_files(self, small, there, killed_at_step, step):
        def kill(number, function):
            return killed_at_step(number, there.root.with_name(f"there-{number}"), function)

        self.until_it_ends(small, there, kill, step)

    def test_four_at_once_bring_it_once(self, small, there, at_once):
        there.close()
        ended = at_once(lambda _: Lab(there.root).import_bundle(small[1]).files, 4)

        assert sorted(end.text for end in ended) == ["0", "0", "0", FILES]
        with Lab(small[0]) as here:
            assert contents.rows(there) == contents.rows(here)
        assert_clean(there)

    def test_one_that_lives_keeps_what_it_has_aside(self, small, there, in_background):
        """Another import takes away only what the dead have left."""
        told, tell = os.pipe()
        go_on, release = os.pipe()

        def slow():
            os.close(release)
            take = Stage.take

            def wait_once(*arguments):
                Stage.take = take
                take(*arguments)
                os.write(tell, b"x")
                os.read(go_on, 1)  # Ends when the parent closes the other end.

            Stage.take = wait_once
            return Lab(there.root).import_bundle(small[1]).files

        there.close()
        wait = in_background(slow)
        os.read(told, 1)
        with Lab(there.root) as again:
            again.import_bundle(small[1], taken="skip")
        os.close(release)

        assert wait().text == "0"
        assert_clean(there)


class TestExport:
    @pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
    def test_at_what_it_does_with_files(self, small, tmp_path, killed_at_step, step):
        """The file is whole or not there, and the next export takes away what was left."""
        lab = Lab(shutil.copytree(small[0], tmp_path / "here"))
        before = contents.rows(lab)
        lab.close()
        folder = tmp_path / "out"
        folder.mkdir()
        others = folder / f"{ASIDE}plot.svg"
        others.touch()
        left = 0
        for number in itertools.count(0, step):

            def export():
                return Lab(lab.root).export_bundle(folder / "a", everything=True).files

            ended = killed_at_step(number, tmp_path, export)
            left += len(list(folder.glob(f"{ASIDE}export-*")))
            if (folder / "a").exists():
                assert (folder / "a").read_bytes() == small[1].read_bytes()
            lab.export_bundle(folder / "b", everything=True)
            assert {*folder.iterdir()} - {folder / "a"} == {folder / "b", others}
            assert contents.rows(lab) == before
            for name in ("a", "b"):
                (folder / name).unlink(missing_ok=True)
            if ended.signal == 0:
                break
        lab.close()
        assert (ended.text, number > 2 * step, left > 0) == (FILES, True, True)

    @pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
    def test_at_statements(self, small, tmp_path, killed_at, step):
        with Lab(small[0]) as lab:
            before = contents.rows(lab)
        for number in itertools.count(0, step):
            root, folder = tmp_path / f"here-{number}", tmp_path / f"out-{number}"
            shutil.copytree(small[0], root)
            folder.mkdir()

            def export(name, root=root, folder=folder):
                return Lab(root).export_bundle(folder / name, everything=True).files

            ended = killed_at(number, lambda export=export: export("a"))
            assert not (folder / "a").exists() or (ended.signal == 0)
            export("b")
            assert [path.name for path in folder.iterdir() if path.name != "a"] == ["b"]
            assert (folder / "b").read_bytes() == small[1].read_bytes()
            with Lab(root) as lab:
                assert contents.rows(lab) == before
                assert_clean(lab)
            shutil.rmtree(root)
            if ended.signal == 0:
                break
        assert (ended.text, number > 2 * step) == (FILES, True)

    def test_one_that_lives_keeps_what_it_has_aside(self, small, tmp_path, in_background):
        told, tell = os.pipe()
        go_on, release = os.pipe()

        def slow():
            os.close(release)
            finish = BundleWriter.finish

            def wait_first(*arguments):
                os.write(tell, b"x")
                os.read(go_on, 1)  # Ends when the parent closes the other end.
                return finish(*arguments)

            BundleWriter.finish = wait_first
            return Lab(small[0]).export_bundle(tmp_path / "a", everything=True).files

        wait = in_background(slow)
        os.read(told, 1)
        with Lab(small[0]) as lab:
            lab.export_bundle(tmp_path / "b", everything=True)
        os.close(release)

        assert wait().text == FILES
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


class TestMove:
    @pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
    def test_at_what_it_does_with_files(self, small, new_lab, tmp_path, killed_at_step, step):
        for number in itertools.count(0, step):
            root, target = tmp_path / f"lab-{number}", tmp_path / f"b-{number}"
            shutil.copytree(small[0], root)

            def move(root=root, target=target):
                return Lab(root).export_bundle(target, everything=True, move=True).files

            ended = killed_at_step(number, tmp_path, move)
            self.assert_nothing_is_lost(root, target, small, new_lab(f"there-{number}"))
            if ended.signal == 0:
                break
        assert ended.text == FILES
        assert number > 2 * step

    @pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.slow)])
    def test_at_statements(self, small, new_lab, tmp_path, killed_at, step):
        """Repeated to another file, it ends: what is left moves, or nothing is left to move."""
        for number in itertools.count(0, step):
            root, target = tmp_path / f"lab-{number}", tmp_path / f"b-{number}"
            shutil.copytree(small[0], root)

            def move(root=root, target=target):
                return Lab(root).export_bundle(target, everything=True, move=True).files

            ended = killed_at(number, move)
            with Lab(root) as lab:
                if contents.rows(lab)["runs"]:
                    target.unlink(missing_ok=True)
                    assert str(move()) == FILES
            self.assert_nothing_is_lost(root, target, small, new_lab(f"there-{number}"))
            with Lab(root) as lab:
                assert_clean(lab)
            shutil.rmtree(root)
            if ended.signal == 0:
                break
        assert ended.text == FILES
        assert number > 2 * step

    def assert_nothing_is_lost(self, root, target, small, there):
        with Lab(root) as lab, Lab(small[0]) as original:
            expected, left = contents.rows(original), contents.rows(lab)
            if left["runs"]:
                assert left == expected
            else:
                assert {table for table, rows in left.items() if rows} == {"goals"}
                there.import_bundle(target)
                assert contents.rows(there) == expected
            lab.doctor(repair=True)
            assert [found for found in lab.doctor() if found.severity is Severity.ERROR] == []


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_trusting_killed_at_what_it_does_with_files(small, there, killed_at_step, step):
    there.import_bundle(small[1])
    before = contents.rows(there)
    there.close()
    for number in itertools.count(0, step):
        lab = Lab(shutil.copytree(there.root, there.root.with_name(f"there-{number}")))

        def trust(lab=lab):
            return Lab(lab.root).trust("mlp", "loose/mlp")

        ended = killed_at_step(number, lab.root, trust)
        trust()
        assert contents.rows(lab) == before
        with lab.database.read() as session:
            paths = {file.path for file in registered_files(session)}
        assert all(lab.files.is_trusted(path) for path in paths)
        assert set(lab.files.everything()) == paths
        assert_clean(lab)
        lab.close()
        if ended.signal == 0:
            break
    assert (ended.text, number > 2 * step) == (FILES, True)
