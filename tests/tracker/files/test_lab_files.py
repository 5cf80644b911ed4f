import errno
import hashlib
import os
import subprocess
import sys

import pytest

from tracker.errors import DamagedFileError, InvalidError, LabUnusableError
from tracker.files import LabFiles, StoredFile
from tracker.files.durable import ASIDE


@pytest.fixture
def files(tmp_path):
    return LabFiles(tmp_path)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class TestWrite:
    def test_says_what_it_has_stored(self, files):
        stored = files.write_bytes("files/runs/ab/a.bin", b"content")

        assert stored == StoredFile("files/runs/ab/a.bin", 7, sha256(b"content"))
        assert files.path(stored.path).read_bytes() == b"content"
        assert files.describe("files/runs/ab/a.bin") == stored

    def test_the_writer_sees_a_name_of_the_same_kind(self, files):
        stored = files.write("files/a.svg", lambda path: path.write_text(path.suffix))

        assert files.path(stored.path).read_text() == ".svg"

    def test_a_failed_write_leaves_what_was_there(self, files):
        files.write_bytes("files/a", b"before")

        def fail(path):
            path.write_bytes(b"half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.write("files/a", fail)
        assert list(files.everything()) == ["files/a"]
        assert files.path("files/a").read_bytes() == b"before"

    def test_a_process_killed_while_writing_leaves_what_was_there(self, files):
        files.write_bytes("files/a", b"before")
        program = (
            "import os, signal, sys; from pathlib import Path; from tracker.files import LabFiles\n"
            "def write(path):\n"
            "    path.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
            "LabFiles(Path(sys.argv[1])).write('files/a', write)\n"
        )
        subprocess.run([sys.executable, "-c", program, files.root], check=False)

        assert files.path("files/a").read_bytes() == b"before"
        (left,) = set(files.everything()) - {"files/a"}
        assert left.startswith(f"files/{ASIDE}")

    def test_everything_is_synced_before_and_after_it_is_renamed(self, files, monkeypatch):
        deeds = []
        names = {}
        real_open, real_replace = os.open, os.replace

        def opened(path, *rest, **more):
            handle = real_open(path, *rest, **more)
            names[handle] = os.fspath(path).replace(str(files.root), "")
            return handle

        def replaced(source, target):
            deeds.append("rename")
            real_replace(source, target)

        monkeypatch.setattr(os, "open", opened)
        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(os, "fsync", lambda handle: deeds.append(names[handle]))
        files.write_bytes("files/run/a", b"content")

        *folders, written, rename, folder = deeds
        assert folders == ["", "/files"]
        assert written.startswith(f"/files/run/{ASIDE}")
        assert (rename, folder) == ("rename", "/files/run")

    @pytest.mark.parametrize("path", ["../a", "/a", "files/../../a"])
    def test_never_writes_elsewhere(self, files, path):
        with pytest.raises(InvalidError):
            files.write_bytes(path, b"")

    def test_a_full_disk_is_said_in_one_sentence(self, files):
        def full(path):
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(LabUnusableError, match="the disk is full"):
            files.write("files/a", full)
        assert list(files.everything()) == []

    def test_a_file_in_the_way_of_the_folder_is_said(self, files):
        files.write_bytes("files/a", b"")

        with pytest.raises(LabUnusableError, match="in the way"):
            files.write_bytes("files/a/b", b"")


class TestKeepCopy:
    def test_is_named_by_its_content(self, files, tmp_path):
        source = tmp_path / "my report.html"
        source.write_text("<p>")

        stored = files.keep_copy("files/runs/ab", source)

        digest = sha256(b"<p>")
        assert stored == StoredFile(f"files/runs/ab/my report-{digest[:16]}.html", 3, digest)
        assert files.keep_copy("files/runs/ab", source) == stored
        source.write_text("<b>")
        assert files.keep_copy("files/runs/ab", source).path != stored.path
        assert files.verify(stored).read_text() == "<p>"

    def test_takes_another_name_but_only_its_last_part(self, files, tmp_path):
        source = tmp_path / "a.txt"
        source.write_text("")

        stored = files.keep_copy("files/runs/ab", source, "../../curves/loss.csv")

        assert stored.path.startswith("files/runs/ab/loss-")
        assert stored.path.endswith(".csv")

    def test_a_source_that_is_not_there_is_said(self, files, tmp_path):
        with pytest.raises(LabUnusableError, match=r"nothing\.txt"):
            files.keep_copy("files", tmp_path / "nothing.txt")


class TestVerify:
    @pytest.fixture
    def stored(self, files):
        return files.write_bytes("files/a", b"content")

    def test_finds_the_file_that_was_written(self, files, stored):
        assert files.verify(stored) == files.path("files/a")

    def test_a_missing_one_is_named(self, files, stored):
        files.remove("files/a")

        with pytest.raises(DamagedFileError, match=r"files/a is missing"):
            files.verify(stored)
        with pytest.raises(DamagedFileError, match=r"files/a is missing"):
            files.describe("files/a")

    def test_a_shorter_one_is_named(self, files, stored):
        os.truncate(files.path("files/a"), 3)

        with pytest.raises(DamagedFileError, match=r"files/a is damaged: it has 3 bytes, 7 were"):
            files.verify(stored)

    def test_one_flipped_bit_is_seen(self, files, stored):
        files.path("files/a").write_bytes(b"contenu")

        with pytest.raises(DamagedFileError, match=r"files/a is damaged: its content"):
            files.verify(stored)

    def test_a_directory_in_its_place_is_no_file(self, files, stored):
        files.path("files/a").unlink()
        files.path("files/a").mkdir()

        with pytest.raises(DamagedFileError, match="missing"):
            files.verify(stored)


class TestRemove:
    def test_takes_the_folders_that_it_leaves_empty(self, files):
        files.write_bytes("files/runs/ab/x/a", b"")
        files.write_bytes("files/runs/cd/b", b"")

        assert files.remove("files/runs/ab/x/a")

        assert not files.path("files/runs/ab").exists()
        assert list(files.everything()) == ["files/runs/cd/b"]

    def test_leaves_the_folder_of_all_files(self, files):
        files.write_bytes("files/a", b"")
        files.remove("files/a")

        assert files.path("files").is_dir()

    def test_of_what_is_gone_says_so(self, files):
        assert not files.remove("files/nothing")
