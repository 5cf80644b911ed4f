"""Merging logs: by options, or by answers on a terminal."""

import io
import sys

import pytest

from tracker.cli.app import run_guarded
from tracker.cli.merging import merge
from tracker.sweeps import ExperimentLog


def write(path, static, *rows):
    grid = dict.fromkeys(field for config, _ in rows for field in config)
    log = ExperimentLog.from_fields(list(grid), [], static)
    for config, metrics in rows:
        log.add_result(config, **metrics)
    log.to_tsv(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("parts/a.tsv", {"model": "mlp"}, ({"lr": 0.1}, {"loss": 0.5}), ({"lr": 0.2}, {"loss": 1}))
    write("parts/b.tsv", {"model": "mlp"}, ({"lr": 0.1}, {"loss": 0.5}), ({"lr": 0.3}, {"loss": 2}))
    write("decayed.tsv", {"model": "mlp"}, ({"lr": 0.1, "wd": 0.5}, {"loss": 0.4}))
    write("again.tsv", {"model": "mlp"}, ({"lr": 0.1}, {"loss": 0.25}))
    return tmp_path


@pytest.fixture
def run(folder, capsys, monkeypatch):
    """Runs the command; with answers, on a terminal that gives them."""

    def merging(*arguments, answers=None):
        if answers is not None:
            keyboard = io.StringIO("".join(f"{answer}\n" for answer in answers))
            keyboard.isatty = lambda: True
            monkeypatch.setattr(sys, "stdin", keyboard)
        code = run_guarded(
            lambda: merge.main(arguments, standalone_mode=False, help_option_names=["-h", "--help"])
        )
        return code, *capsys.readouterr()

    return merging


def configs(path="out.tsv"):
    return [row.config.to_dict() for row in ExperimentLog.from_tsv(path)]


def test_the_logs_of_a_folder_become_one(run):
    code, out, _ = run("parts", "-o", "out.tsv")

    assert (code, out) == (0, "Wrote 3 rows of 2 logs to out.tsv, leaving out 1.\n")
    assert configs() == [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]


def test_files_and_folders_come_in_the_order_they_are_named(run):
    assert run("again.tsv", "parts", "again.tsv", "-o", "out.tsv", "--keep", "last")[0] == 0
    assert [row.metrics["loss"] for row in ExperimentLog.from_tsv("out.tsv")] == [0.5, 1, 2]


def test_a_file_that_is_there_is_not_written_over_unasked(run, folder):
    before = (folder / "again.tsv").read_text()
    code, _, err = run("parts", "-o", "again.tsv")
    assert (code, err) == (1, "Error: again.tsv is there already; --force writes over it.\n")
    assert (folder / "again.tsv").read_text() == before

    assert run("parts", "-o", "parts/out.tsv")[0] == 0
    assert run("parts", "-o", "parts/out.tsv", "--force")[1] == (
        "Wrote 3 rows of 2 logs to parts/out.tsv, leaving out 1.\n"
    )


def test_fields_that_differ_are_refused_without_a_terminal(run, folder):
    code, _, err = run("parts", "decayed.tsv", "-o", "out.tsv")

    assert code == 1
    assert err == (
        "Error: The logs are not of the same experiment: 'wd' is not in parts/a.tsv, parts/b.tsv."
        " Say what holds with --fill, --rename, --drop or --absent, or merge them all the same with"
        " --any.\n"
    )
    assert not (folder / "out.tsv").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--fill", "wd=0"], {"lr": 0.1, "wd": 0}),
        (["--fill", "wd='0'"], {"lr": 0.1, "wd": "0"}),
        (["--fill", "wd="], {"lr": 0.1, "wd": None}),
        (["--absent", "wd"], {"lr": 0.1}),
        (["--any"], {"lr": 0.1}),
        (
            ["--rename", "lr=rate", "--rename", "wd=decay", "--fill", "decay=[1]"],
            {"rate": 0.1, "decay": [1]},
        ),
    ],
)
def test_options_say_what_holds(run, options, expected):
    assert run("parts/a.tsv", "decayed.tsv", "-o", "out.tsv", *options)[0] == 0
    assert configs()[0] == expected
    assert len(configs()) == 3


def test_a_dropped_field_leaves_rows_that_differ(run, folder):
    asked = ("parts/a.tsv", "decayed.tsv", "-o", "out.tsv", "--drop", "wd")
    code, _, err = run(*asked)
    assert code == 1
    assert err == (
        "Error: Rows differ for 1 configuration, such as {'lr': 0.1}."
        " Say which to keep with --keep.\n"
    )
    assert not (folder / "out.tsv").exists()

    run(*asked, "--keep", "all")
    assert len(configs()) == 3


def test_a_terminal_is_asked_what_is_open(run):
    answers = ["what?", "fill", "1e-3"]
    code, _, err = run("parts/a.tsv", "decayed.tsv", "-o", "out.tsv", answers=answers)

    assert code == 0
    assert "'wd' is not in parts/a.tsv." in err
    assert configs() == [{"lr": 0.1, "wd": 0.001}, {"lr": 0.2, "wd": 0.001}, {"lr": 0.1, "wd": 0.5}]


@pytest.mark.parametrize(
    ("answers", "losses"), [(["drop", "first"], [0.5, 1]), (["drop", "last"], [0.4, 1])]
)
def test_a_terminal_is_asked_which_row_to_keep(run, answers, losses):
    assert run("parts/a.tsv", "decayed.tsv", "-o", "out.tsv", answers=answers)[0] == 0
    assert [row.metrics["loss"] for row in ExperimentLog.from_tsv("out.tsv")] == losses


def test_a_terminal_may_let_rows_lack_a_field(run):
    assert run("parts/a.tsv", "decayed.tsv", "-o", "out.tsv", answers=["lack"])[0] == 0
    assert configs() == [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.1, "wd": 0.5}]


def test_a_rule_that_is_not_one_is_refused(run):
    code, _, err = run("parts", "-o", "out.tsv", "--fill", "wd")
    assert code == 2
    assert "--fill is written FIELD=VALUE, not 'wd'." in err
    assert (
        "no field named 'lrr'. Did you mean 'lr'"
        in run("parts", "-o", "out.tsv", "--drop", "lrr")[2]
    )


def test_a_log_comes_into_a_lab_and_out_again(folder, labkeeper):
    done = labkeeper("sweep", "import", str(folder / "parts" / "a.tsv"), "--experiment", "digits")
    assert (done.exit_code, done.stdout) == (0, "Created a: 2 trials.\n")
    runs = labkeeper("runs", "--columns", "name,experiment,loss", "--sort", "name", "--csv")
    assert runs.stdout.splitlines() == ["name,experiment,loss", "a/0,digits,0.5", "a/1,digits,1.0"]

    done = labkeeper("sweep", "results", "a", "--tsv", str(folder / "out.tsv"))
    assert done.stdout == f"Wrote 2 trials of a to {folder / 'out.tsv'}.\n"
    assert configs() == [{"lr": 0.1}, {"lr": 0.2}]
    again = labkeeper("sweep", "import", "out.tsv", "b", "--target", "module:function")
    assert again.stdout == "Created b: 2 trials.\n"
    assert "b  module:function" in labkeeper("sweep", "status", "b").stdout
