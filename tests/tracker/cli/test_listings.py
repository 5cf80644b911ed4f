import csv
import io
import json
import signal

import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


def names(result):
    return [row["name"] for row in json.loads(result.stdout)]


class TestRuns:
    def test_come_newest_first_with_status_and_main_metrics(self, labkeeper):
        result = labkeeper("runs", "--csv")
        header, *rows = csv.reader(io.StringIO(result.stdout))

        assert result.exit_code == 0
        assert [row[0] for row in rows] == ["mlp-3", "mlp-2", "mlp"]
        assert rows[0][header.index("status")] == "finished"
        assert rows[2][header.index("best(val_loss)")] == repr(1 / 3)
        assert rows[1][header.index("last(val_loss)")] == "nan"

    def test_a_filter_chooses(self, labkeeper):
        assert names(labkeeper("runs", "lr < 0.05 and best(val_loss) < 0.3", "--json")) == ["mlp-3"]

    def test_a_run_whose_loss_is_nan_matches_no_comparison(self, labkeeper):
        assert "mlp-2" not in names(labkeeper("runs", "val_loss < 100", "--json"))
        assert "mlp-2" not in names(labkeeper("runs", "val_loss >= 0", "--json"))

    @pytest.mark.parametrize(
        ("options", "order"),
        [
            (["--sort", "lr"], ["mlp-3", "mlp-2", "mlp"]),
            (["--sort", "lr", "--desc"], ["mlp", "mlp-2", "mlp-3"]),
            (["--sort", "best(val_loss)"], ["mlp-3", "mlp-2", "mlp"]),
            (["--sort", "depth", "--sort", "name", "--asc"], ["mlp", "mlp-2", "mlp-3"]),
            (["--limit", "1"], ["mlp-3"]),
        ],
    )
    def test_are_sorted_and_limited(self, labkeeper, options, order):
        result = labkeeper("runs", "--json", *options)

        assert names(result) == order

    def test_columns_are_any_expressions(self, labkeeper):
        columns = 'name, lr, best("val_loss"), like(name, "%,%")'
        result = labkeeper("runs", "lr == 0.1", "--columns", columns, "--csv")

        assert result.stdout == (
            'name,lr,"best(""val_loss"")","like(name, ""%,%"")"\nmlp,0.1,0.3333333333333333,false\n'
        )

    def test_columns_may_be_given_one_by_one(self, labkeeper):
        result = labkeeper("runs", "--columns", "name", "--columns", "seed", "--limit", "1")

        assert result.stdout == "name   seed\nmlp-3     7\n"

    def test_one_object_a_line(self, labkeeper):
        lines = labkeeper("runs", "--ndjson").stdout.splitlines()

        assert [json.loads(line)["name"] for line in lines] == ["mlp-3", "mlp-2", "mlp"]

    def test_nothing_found_is_said_beside_the_results(self, labkeeper):
        result = labkeeper("runs", "lr > 1")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "No runs match.\n"

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ("lr <<", "column"),
            ("val_los < 1", "Did you mean 'val_loss'"),
            ("__import__('os').system('touch x')", "column 1"),
        ],
    )
    def test_a_wrong_filter_is_refused_in_one_line(self, labkeeper, wrong, words):
        result = labkeeper("runs", wrong)

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        assert words in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--csv", "--json"], "There is one form at a time: --csv, or --json."),
        (["--ndjson", "--csv"], "one form at a time"),
        (["--columns", " , "], "--columns names no column"),
    ],
)
def test_what_makes_no_sense_together_is_misuse(labkeeper, options, words):
    result = labkeeper("runs", *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


class TestList:
    def test_says_that_there_are_no_pipelines(self, labkeeper):
        result = labkeeper("list")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "There are no pipelines yet.\n"

    def test_has_the_forms_of_runs(self, labkeeper):
        assert labkeeper("list", "--json").stdout == "[]\n"
        assert labkeeper("list", "--csv").stdout.startswith("name,")


def test_watching_needs_a_terminal(labkeeper):
    result = labkeeper("runs", "--watch")

    assert result.exit_code == 2
    assert "--watch redraws a terminal" in result.stderr


class TestOnATerminal:
    def test_statuses_have_colours_and_columns_fit(self, terminal):
        screen = terminal(
            "runs", "--columns", "name,status,lr,uuid,created,started,ended,experiment,tags"
        )
        text = screen.read_all()

        assert screen.process.wait() == 0
        assert "\x1b[32mfinished" in text
        assert "did not fit" in text

    def test_watch_redraws_until_ctrl_c(self, terminal, lab):
        screen = terminal("runs", "--watch", "--every", "0.1", "--columns", "name,status")
        screen.read_until("mlp-3", times=2)
        with lab.run("late"):
            screen.read_until("late")
            screen.read_until("running")
        screen.process.send_signal(signal.SIGINT)

        screen.read_all()
        assert screen.process.wait() == 0
        assert "Traceback" not in screen.text


class TestPager:
    @pytest.fixture
    def pager(self, tmp_path, monkeypatch):
        """A pager that says that it was used."""
        program = tmp_path / "pager"
        program.write_text("#!/bin/sh\necho PAGED\nexec cat\n")
        program.chmod(0o755)
        monkeypatch.setenv("PAGER", str(program))

    @pytest.fixture
    def many(self, lab):
        with lab.run("long") as run:
            for step in range(45):
                run.log(loss=step, step=step)
        return lab

    def test_what_is_higher_than_the_terminal_goes_through_a_pager(self, pager, many, terminal):
        screen = terminal("history", "long")
        text = screen.read_all()

        assert screen.process.wait() == 0
        assert text.startswith("PAGED")
        assert "44" in text

    def test_what_fits_does_not(self, pager, terminal):
        for arguments in (["runs"], ["show", "mlp"]):
            screen = terminal(*arguments)
            assert "PAGED" not in screen.read_all()
            assert screen.process.wait() == 0

    def test_what_is_shown_does_so_too(self, pager, terminal, lab):
        with lab.run("wide", params={f"p{number}": number for number in range(50)}):
            pass
        screen = terminal("show", "wide")

        text = screen.read_all()
        assert "PAGED" in text
        assert "\x1b[1mParameters" in text

    def test_a_pipe_has_no_pager(self, pager, many, process):
        out, _ = process("history", "long").communicate()

        assert "PAGED" not in out
        assert len(out.splitlines()) == 46
