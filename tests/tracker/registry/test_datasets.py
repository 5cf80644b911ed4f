import pytest

from tracker.errors import InvalidError
from tracker.registry.datasets import datasets_of, record_dataset, runs_that_saw
from tracker.registry.runs import create_run


def test_the_same_content_is_one_dataset_however_many_runs_saw_it(database, run_id):
    digits = {"name": "digits", "fingerprint": "f1", "rows": 3, "columns": ["x", "y"]}
    with database.write() as session:
        other = create_run(session, name="second", experiment="digits")
        first = record_dataset(session, run_id, **digits)
        for run in (run_id, other.id):
            assert record_dataset(session, run, **digits) == first
        changed = record_dataset(session, run_id, **{**digits, "fingerprint": "f2"})
        assert changed != first

        found = datasets_of(session, run_id)
        assert [(row.id, row.rows, row.columns) for row in found] == [
            (first, 3, ["x", "y"]),
            (changed, 3, ["x", "y"]),
        ]
        assert [run.name for run in runs_that_saw(session, "f1")] == ["first", "second"]
        assert [run.name for run in runs_that_saw(session, "f2")] == ["first"]


def test_a_name_that_cannot_be_typed_is_refused(database, run_id):
    with database.write() as session, pytest.raises(InvalidError, match="dataset"):
        record_dataset(session, run_id, name="", fingerprint="f", rows=0, columns=[])
