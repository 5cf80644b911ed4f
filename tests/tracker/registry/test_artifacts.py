import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.files import StoredFile
from tracker.registry.artifacts import artifacts_of, find_artifact, record_artifact
from tracker.registry.runs import create_run


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


def test_keeps_what_was_said_and_guesses_the_type(writing, run_id):
    record_artifact(writing, run_id, StoredFile("files/b", 3, "hash"), name="report.html")
    record_artifact(
        writing, run_id, StoredFile("files/a", 4, "other"), name="curve", media_type="a/b"
    )
    record_artifact(writing, run_id, StoredFile("files/c", 5, "third"), name="raw")

    rows = artifacts_of(writing, run_id)
    assert [(row.name, row.path, row.bytes, row.sha256, row.media_type) for row in rows] == [
        ("curve", "files/a", 4, "other", "a/b"),
        ("raw", "files/c", 5, "third", "application/octet-stream"),
        ("report.html", "files/b", 3, "hash", "text/html"),
    ]


def test_a_later_one_of_the_same_name_takes_its_place(writing, run_id):
    record_artifact(writing, run_id, StoredFile("files/a", 3, "a"), name="report")

    assert record_artifact(writing, run_id, StoredFile("files/b", 4, "b"), name="report") == [
        "files/a"
    ]
    assert [row.path for row in artifacts_of(writing, run_id)] == ["files/b"]


def test_a_file_that_something_else_refers_to_is_not_deleted(writing, run_id):
    other = create_run(writing, name="second", experiment="digits")
    for run, name in ((run_id, "report"), (other.id, "report")):
        record_artifact(writing, run, StoredFile("files/a", 3, "a"), name=name)

    assert record_artifact(writing, run_id, StoredFile("files/a", 3, "a"), name="report") == []
    assert record_artifact(writing, run_id, StoredFile("files/b", 4, "b"), name="report") == []


def test_an_unknown_name_suggests_the_nearest(writing, run_id):
    record_artifact(writing, run_id, StoredFile("files/a", 3, "a"), name="report")

    assert find_artifact(writing, run_id, "report").path == "files/a"
    with pytest.raises(NotFoundError, match="Did you mean 'report'"):
        find_artifact(writing, run_id, "reprot")


def test_a_name_that_cannot_be_typed_is_refused(writing, run_id):
    with pytest.raises(InvalidError, match="artifact"):
        record_artifact(writing, run_id, StoredFile("files/a", 3, "a"), name="")
