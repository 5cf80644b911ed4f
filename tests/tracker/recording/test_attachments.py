import pandas as pd
import pytest
from matplotlib.figure import Figure

from tracker.errors import DamagedFileError, InvalidError, NotFoundError
from tracker.files import StoredFile
from tracker.registry.artifacts import find_artifact


class TestFiles:
    def test_an_artifact_is_a_verified_copy(self, lab, run, tmp_path, rows):
        report = tmp_path / "report.txt"
        report.write_text("good")

        assert run.log_artifact(report) == "report.txt"
        report.write_text("changed later")

        ((path, media),) = rows("SELECT path, media_type FROM artifacts")
        assert lab.files.path(path).read_text() == "good"
        assert media == "text/plain"

    def test_it_is_found_again_unless_it_is_damaged(self, lab, run, tmp_path):
        report = tmp_path / "report.txt"
        report.write_text("good")
        run.log_artifact(report)
        run.finish()

        path = lab.artifact(run.name, "report.txt")
        assert path.read_text() == "good"
        with pytest.raises(NotFoundError, match="Did you mean 'report"):
            lab.artifact(run.name, "report.text")
        path.write_text("evil")
        with pytest.raises(DamagedFileError):
            lab.artifact(run.name, "report.txt")

    def test_the_same_name_again_replaces_the_file(self, lab, run, tmp_path, rows):
        report = tmp_path / "report.txt"
        for text in ("one", "two"):
            report.write_text(text)
            run.log_artifact(report, "notes/report.txt")

        ((path,),) = rows("SELECT path FROM artifacts")
        assert lab.files.path(path).read_text() == "two"
        assert len(list(lab.files.everything())) == 1

    def test_a_directory_keeps_every_file_in_it(self, run, tmp_path, rows):
        (tmp_path / "plots" / "deep").mkdir(parents=True)
        (tmp_path / "plots" / "a.txt").write_text("a")
        (tmp_path / "plots" / "deep" / "b.txt").write_text("b")

        run.log_artifact(tmp_path / "plots")

        assert rows("SELECT name FROM artifacts ORDER BY name") == [
            ("plots/a.txt",),
            ("plots/deep/b.txt",),
        ]

    def test_what_is_not_there_is_refused(self, run, tmp_path, rows):
        with pytest.raises(InvalidError, match="no file or directory at"):
            run.log_artifact(tmp_path / "missing")

        assert rows("SELECT count(*) FROM artifacts") == [(0,)]

    @pytest.mark.parametrize(
        ("name", "kept", "beginning"),
        [("curve", "curve.png", b"\x89PNG"), ("curve.svg", "curve.svg", b"<?xml")],
    )
    def test_a_figure_is_kept_as_a_picture(self, lab, run, rows, name, kept, beginning):
        figure = Figure()
        figure.subplots().plot([1, 2])

        assert run.log_figure(figure, name) == kept
        ((path,),) = rows("SELECT path FROM artifacts")
        assert lab.files.path(path).read_bytes().startswith(beginning)

    def test_another_thing_is_no_figure(self, run):
        with pytest.raises(InvalidError, match="a matplotlib Figure is expected"):
            run.log_figure([1, 2], "curve")

    def test_a_damaged_artifact_is_named(self, lab, run, tmp_path):
        (tmp_path / "a.txt").write_text("good")
        run.log_artifact(tmp_path / "a.txt")
        with lab.database.read() as session:
            found = find_artifact(session, run.id, "a.txt")
        lab.files.path(found.path).write_text("evil")

        with pytest.raises(DamagedFileError, match="is damaged"):
            lab.files.verify(StoredFile(found.path, found.bytes, found.sha256))

    def test_the_data_that_a_run_saw_is_known_by_content(self, lab, run, rows):
        frame = pd.DataFrame({"x": [1, 2]})

        fingerprint = run.log_dataset(frame, "train")
        with lab.run() as other:
            assert other.log_dataset(frame.copy(), "train") == fingerprint

        assert rows("SELECT name, fingerprint, rows, columns FROM datasets") == [
            ("train", fingerprint, 2, '["x"]')
        ]
        assert rows("SELECT count(*) FROM run_datasets") == [(2,)]
