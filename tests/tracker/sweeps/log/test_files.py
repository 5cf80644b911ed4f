"""A log and its file: loading, saving, and several processes at once."""

import pytest

from tests.tracker.sweeps.log.test_tsv import HEAD
from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps import ExperimentLog


@pytest.fixture
def log(tmp_path):
    log = ExperimentLog.from_fields(["lr"], ["loss"], {"model": "mlp"}, tmp_path / "log.tsv")
    log.add_result({"lr": 0.1}, loss=[0.5, 0.25])
    log.to_tsv()
    return log


def test_a_log_is_loaded_from_its_own_file_or_another(log, tmp_path):
    log.add_result({"lr": 0.2}, loss=1)
    log.to_tsv(str(tmp_path / "other.tsv"))
    log.load_tsv()
    assert len(log) == 1
    log.load_tsv(tmp_path / "other.tsv")

    assert len(log) == 2
    assert log.logs_file == tmp_path / "other.tsv"


def test_a_file_that_is_no_log_changes_nothing(log, tmp_path):
    (tmp_path / "bad.tsv").write_text(HEAD + "  \tloss\nid\t    \n0\n")
    with pytest.raises(InvalidError, match="line 6: there are 1 cells"):
        log.load_tsv(tmp_path / "bad.tsv")
    with pytest.raises(NotFoundError):
        ExperimentLog.from_tsv(tmp_path / "none.tsv")

    assert (len(log), log.logs_file) == (1, tmp_path / "log.tsv")


def test_a_file_is_parsed_into_its_parts(log):
    parts = ExperimentLog.parse_tsv(log.logs_file)

    assert parts["df"].index.tolist() == [(0.1,)]
    assert parts["df"]["loss"].tolist() == [[0.5, 0.25]]
    assert {key: parts[key] for key in parts if key != "df"} == {
        "grid_fields": ["lr"],
        "metric_fields": ["loss"],
        "static_configs": {"model": "mlp"},
    }
    as_text = ExperimentLog.parse_tsv(log.logs_file, parse_str=False)["df"]
    assert (as_text.index.tolist(), as_text["loss"].tolist()) == ([("0.1",)], ["[0.5, 0.25]"])
    as_text = ExperimentLog.from_tsv(log.logs_file, parse_str=False)
    assert as_text.rows[0].config == {"lr": "0.1"}


def test_a_log_without_a_file_says_so():
    with pytest.raises(InvalidError, match="has no file yet; name one"):
        ExperimentLog.from_fields(["lr"], [], {}).to_tsv()


def test_processes_that_lock_the_file_lose_no_result(tmp_path, at_once):
    path = tmp_path / "log.tsv"
    ExperimentLog.from_fields(["lr"], [], {}, path).to_tsv()

    def add(process):
        log = ExperimentLog.from_tsv(path, use_filelock=True)
        for number in range(10):
            with log.lock_file():
                log.load_tsv()
                log.add_result({"lr": process * 100 + number}, loss=number)
                log.to_tsv()

    assert [ended.text for ended in at_once(add, 4)] == ["None"] * 4
    found = [row.config.lr for row in ExperimentLog.from_tsv(path)]
    assert sorted(found) == [process * 100 + number for process in range(4) for number in range(10)]


def test_a_lock_is_a_decorator_and_freed_by_an_error(tmp_path):
    log = ExperimentLog.from_fields(["lr"], [], {}, tmp_path / "log.tsv", use_filelock=True)

    @log.lock_file()
    def fail():
        log.to_tsv()
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert ExperimentLog.from_tsv(tmp_path / "log.tsv", use_filelock=True).grid_fields == ["lr"]
