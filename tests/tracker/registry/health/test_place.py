from pathlib import Path

import pytest

from tests.tracker.registry.health.damage import break_rule
from tracker.database.connection import Database, connect
from tracker.registry.health import Severity, examine, repair
from tracker.registry.health import place as place_checks
from tracker.registry.health.place import kind_of_file_system


class TestPlace:
    def found(self, database, files):
        with database.read() as session:
            return {finding.check: finding for finding in examine(session, files)}

    def test_says_which_sqlite_opens_the_lab(self, database, files):
        finding = self.found(database, files)["sqlite"]

        assert finding.severity is Severity.NOTE
        assert "SQLite 3." in finding.message

    def test_warns_of_an_old_sqlite(self, database, files, monkeypatch):
        monkeypatch.setattr(place_checks, "SOUND_SQLITE", (99, 0, 0))

        finding = self.found(database, files)["sqlite"]
        assert finding.severity is Severity.WARNING
        assert "rare bug" in finding.message

    def test_warns_of_little_space(self, database, files, monkeypatch):
        monkeypatch.setattr(place_checks, "LITTLE_SPACE", 1 << 62)

        assert "MB left" in self.found(database, files)["free-space"].message

    def test_warns_of_a_network_file_system(self, database, files, monkeypatch):
        monkeypatch.setattr(place_checks, "kind_of_file_system", lambda path: "nfs4")

        assert "network file system (nfs4)" in self.found(database, files)["file-system"].message

    def test_an_ordinary_place_is_worth_no_word(self, database, files):
        assert "file-system" not in self.found(database, files)

    def test_the_journal_mode_is_put_back(self, database, files):
        database.close()
        connection = connect(database.path)
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        connection.close()

        finding = self.found(database, files)["journal-mode"]
        assert "journal mode 'delete'" in finding.message
        database.close()
        with database.write() as session:
            repair(session, files, [finding])
        assert "journal-mode" not in self.found(database, files)

    def test_the_gravest_comes_first(self, database, files, run_id, add_points):
        with database.write() as session:
            add_points(session, run_id, "loss", {1: 0.5})
        break_rule(database, "UPDATE series SET count = 7")
        break_rule(database, "UPDATE runs SET status = 'running'")
        with database.read() as session:
            severities = [finding.severity for finding in examine(session, files)]

        assert severities[:2] == [Severity.ERROR, Severity.WARNING]
        assert severities[-1] is Severity.NOTE


class TestFileSystem:
    MOUNTS = (
        "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        "22 21 0:5 / /mnt/my\\040share rw shared:1 - nfs4 server:/x rw\n"
        "23 21 0:6 / /mnt/over rw - ext4 /dev/sdb1 rw\n"
        "24 23 0:7 / /mnt/over rw - cifs //server/y rw\n"
    )

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/home/lab", "ext4"),
            ("/mnt/my share/lab", "nfs4"),
            ("/mnt/my shared/lab", "ext4"),
            ("/mnt/over/lab", "cifs"),
        ],
    )
    def test_is_that_of_the_nearest_and_latest_mount(self, tmp_path, path, kind):
        mounts = tmp_path / "mountinfo"
        mounts.write_text(self.MOUNTS)

        assert kind_of_file_system(Path(path), mounts) == kind

    def test_is_unknown_where_the_system_does_not_tell(self, tmp_path):
        assert kind_of_file_system(tmp_path, tmp_path / "nothing") is None


def test_a_lab_that_cannot_be_repaired_can_be_examined(database, files, run_id):
    with Database(database.path).read() as session:
        assert "sqlite" in {finding.check for finding in examine(session, files)}
