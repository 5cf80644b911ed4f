import json
import re
import signal
import time

import pytest
from click.testing import CliRunner

from tests.tracker.pipelines.small_lab import points_of, wait_until
from tracker.cli.main import labkeeper as command
from tracker.registry.details import describe

# Six seconds to the end: whoever stops it comes in time on a busy machine too.
SLOW = ("model.args.delay=0.05", "epochs=40")


def refused(result):
    """The one line on stderr of a command that ended with exit code 1."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def status(lab, name="small"):
    with lab.database.read() as session:
        run = describe(session, name)["run"]
    return run and run["status"].value


def phase(lab, name="small"):
    with lab.database.read() as session:
        run = describe(session, name)["run"]
    return run and run["phase"]


def begun(lab, name="small", step=5):
    """Waits until so many steps are recorded."""
    wait_until(
        lambda: (
            status(lab, name) == "running"
            and max((key[2] for key in points_of(lab, name)), default=0) >= step
        )
    )


class TestCreate:
    def test_says_what_to_do_next(self, small, labkeeper):
        result = labkeeper("create", "small", "-c", str(small.root / "small.yaml"))

        assert result.stdout == "Created small. Train it: labkeeper train small\n"
        assert json.loads(labkeeper("list", "--json", "--columns", "name,recipe").stdout) == [
            {"name": "small", "recipe": "supervised"}
        ]

    def test_sets_values_tags_and_a_note(self, small, labkeeper):
        labkeeper(
            *("create", "small", "-c", str(small.root / "small.yaml")),
            *("-s", "optimizer.args.lr=1e-3", "-s", "epochs=2"),
            *("--tag", "a", "--tag", "b", "--note", "a note"),
        )
        found = json.loads(labkeeper("show", "small", "--json").stdout)["pipeline"]

        assert found["configuration"]["optimizer"]["args"] == {"lr": 0.001}
        assert (found["configuration"]["epochs"], found["note"]) == (2, "a note")
        assert found["tags"] == ["a", "b"]

    def test_derives_one_from_another(self, labkeeper, create):
        create("small")
        labkeeper("create", "fast", "--from", "small", "-s", "optimizer.args.lr=0.5")
        found = json.loads(labkeeper("show", "fast", "--json").stdout)["pipeline"]

        assert found["configuration"]["optimizer"]["args"] == {"lr": 0.5}
        assert found["configuration"]["dataset"]["loc"] == "parts:points"

    @pytest.fixture
    def elsewhere(self, small, tmp_path, monkeypatch):
        """Runs `create` in a directory that holds the components and no lab."""
        place = tmp_path / "new"
        place.mkdir()
        monkeypatch.chdir(place)
        (place / "parts.py").write_text((small.root / "parts.py").read_text())

        def run(*words):
            return CliRunner().invoke(command, ["create", *words], env={"LABKEEPER_LAB": None})

        run.place = place
        return run

    def test_makes_a_lab_where_there_is_none_and_says_so(self, small, elsewhere):
        result = elsewhere("small", "-c", str(small.root / "small.yaml"))

        assert result.stdout.startswith(f"Made a lab in {elsewhere.place}.\nCreated small.")

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["-s", "model.loc=parts:Nett"], "Nett"),
            (["-s", "model.args.hiden=3"], "hiden"),
            (["--from", "other"], "There is no pipeline named 'other'"),
        ],
    )
    def test_what_is_refused_leaves_no_lab_behind(self, small, elsewhere, words, reason):
        result = elsewhere("small", "-c", str(small.root / "small.yaml"), *words)

        assert reason in refused(result)
        assert not (elsewhere.place / ".labkeeper").exists()

    def test_the_same_configuration_twice_is_refused_but_for_force(self, small, labkeeper):
        words = ["-c", str(small.root / "small.yaml")]
        labkeeper("create", "small", *words)

        assert "'small'" in refused(labkeeper("create", "twin", *words))
        assert labkeeper("create", "twin", *words, "--force").exit_code == 0


class TestTrain:
    def test_trains_and_tells_of_each_epoch(self, small, labkeeper, create):
        create("small", "epochs=2")
        result = labkeeper("train", "small")

        assert (result.exit_code, result.stdout) == (0, "small is finished.\n")
        first, second, test = result.stderr.splitlines()
        assert re.match(
            r"small  train  epoch 0 \(1 of 2\)  train_loss [\d.]+  val_loss [\d.]+  ", first
        )
        assert "epoch 1 (2 of 2)" in second
        assert test.startswith("small  test  completed  test_loss ")

    def test_goes_on_to_a_total_of_epochs(self, small, labkeeper, create):
        create("small", "epochs=2")
        labkeeper("train", "small")
        result = labkeeper("train", "small", "--epochs", "3", "--metric", "val_loss")

        assert [line.split("  ")[2] for line in result.stderr.splitlines()][:1] == [
            "epoch 2 (3 of 3)"
        ]
        assert "train_loss" not in result.stderr
        assert result.stdout == "small is finished.\n"

    def test_quiet_is_quiet(self, small, labkeeper, create):
        create("small", "epochs=1")

        assert labkeeper("train", "small", "--quiet").stderr == ""

    def test_fresh_starts_another_run(self, small, labkeeper, create):
        create("small", "epochs=1")
        labkeeper("train", "small", "-q")
        labkeeper("train", "small", "-q", "--fresh")

        assert len(json.loads(labkeeper("runs", "--json").stdout)) == 2

    def test_what_is_finished_says_how_to_go_on(self, small, labkeeper, create):
        create("small", "epochs=1")
        labkeeper("train", "small", "-q")
        result = labkeeper("train", "small")

        assert result.exit_code == 0
        assert "--fresh" in result.stdout

    def test_several_are_trained_although_one_fails(self, small, labkeeper, create):
        create("broken", "model.args.fail_at=2")
        create("small", "epochs=1")
        result = labkeeper("train", "broken", "small", "-q")

        assert (result.exit_code, result.stdout) == (1, "small is finished.\n")
        assert result.stderr == (
            "Error: broken failed: ArithmeticError: the model broke. "
            "`labkeeper show broken` says where.\n"
        )
        shown = labkeeper("show", "broken").stdout
        assert "ArithmeticError: the model broke" in shown
        assert 'parts.py", line' in shown

    def test_a_time_limit_stops_it_with_a_way_to_go_on(self, small, labkeeper, create):
        create("small", *SLOW)
        result = labkeeper("train", "small", "-q", "--time-limit", "1s")

        assert result.exit_code == 0
        assert result.stdout == (
            "small is stopped (time limit of 1 s): `labkeeper resume small` goes on.\n"
        )

    @pytest.mark.parametrize(
        "words", [["--epochs", "0"], ["--epochs", "x"], ["--patience", "-1"], ["--frsh"]]
    )
    def test_wrong_options_are_usage_errors(self, small, labkeeper, create, words):
        create()

        assert labkeeper("train", "small", *words).exit_code == 2

    @pytest.mark.parametrize(
        ("words", "told"),
        [(["--time-limit", "soon"], "'soon'"), (["--device", "tpu"], "'tpu'")],
    )
    def test_wrong_values_are_refused(self, small, labkeeper, create, words, told):
        create()

        assert told in refused(labkeeper("train", "small", *words))


class TestStopAndResume:
    def test_another_terminal_stops_it_and_resume_goes_on(self, small, create, labkeeper, process):
        create("small", *SLOW)
        training = process("train", "small", "-q")
        begun(small)

        assert labkeeper("stop", "small").stdout == "small is stopped.\n"
        out, err = training.communicate()
        assert (training.returncode, err) == (0, "")
        assert out == "small is stopped (asked to stop): `labkeeper resume small` goes on.\n"

        assert labkeeper("resume", "small", "-q").stdout == "small is finished.\n"

    def test_stop_need_not_wait(self, small, create, labkeeper, process):
        create("small", *SLOW)
        training = process("train", "small", "-q")
        begun(small)

        assert labkeeper("stop", "small", "--no-wait").stdout == "small is asked to stop.\n"
        training.communicate()
        assert status(small) == "stopped"

    def test_what_does_not_run_cannot_be_stopped(self, small, create, labkeeper):
        create("small", "epochs=1")
        assert "never trained" in refused(labkeeper("stop", "small"))

        labkeeper("train", "small", "-q")
        assert "is not running; it is finished" in refused(labkeeper("stop", "small"))

    def test_a_killed_one_is_lost_at_once_and_can_be_resumed(
        self, small, create, labkeeper, process
    ):
        create("small", *SLOW)
        training = process("train", "small", "-q")
        begun(small, step=8)
        training.kill()
        training.wait()

        (row,) = json.loads(labkeeper("list", "--json").stdout)
        assert row["status"] == "lost"
        assert labkeeper("resume", "small", "-q", "--epochs", "8").stdout == "small is finished.\n"

    def test_resume_needs_a_beginning(self, small, create, labkeeper):
        create("small")

        assert "labkeeper train small" in refused(labkeeper("resume", "small"))

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self, small, create, labkeeper):
        create("small", "epochs=2")
        create("other", "epochs=1")
        labkeeper("train", "small", "other", "-q")
        before = points_of(small, "small")
        result = labkeeper("resume", "small", "other", "--epochs", "4", "--dry-run")

        assert (result.exit_code, result.stderr) == (0, "")
        assert [line.rstrip() for line in result.stdout.splitlines()] == [
            "small would go on from checkpoint 'train-epoch-1'.",
            "phase  kind   status   epochs  batch",
            "train  train  goes on  2-3     -",
            "test   eval   to run   -       -",
            "other would go on from checkpoint 'train-epoch-0'.",
            "phase  kind   status   epochs  batch",
            "train  train  goes on  1-3     -",
            "test   eval   to run   -       -",
        ]
        assert points_of(small, "small") == before
        assert status(small) == "finished"

    def test_a_dry_run_for_programs(self, small, create, labkeeper):
        create("small", "epochs=1")
        labkeeper("train", "small", "-q")
        rows = json.loads(
            labkeeper("resume", "small", "--epochs", "3", "--dry-run", "--json").stdout
        )

        common = {"pipeline": "small", "run": "small", "checkpoint": "train-epoch-0"}
        assert rows == [
            common | {"phase": "train", "kind": "train", "status": "goes on"}
            | {"epochs": "1-2", "batch": None},
            common | {"phase": "test", "kind": "eval", "status": "to run"}
            | {"epochs": None, "batch": None},
        ]  # fmt: skip
        assert labkeeper("resume", "small", "--json").exit_code == 2

    def test_a_dry_run_of_several_says_nothing_if_one_is_refused(self, small, create, labkeeper):
        create("small", "epochs=1")
        create("new", "epochs=1")
        labkeeper("train", "small", "-q")

        assert "labkeeper train new" in refused(labkeeper("resume", "small", "new", "--dry-run"))

    def test_a_dry_run_refuses_what_resume_refuses(self, small, create, labkeeper):
        create("small", "epochs=1")
        assert "labkeeper train small" in refused(labkeeper("resume", "small", "--dry-run"))

        labkeeper("train", "small", "-q")
        result = labkeeper("resume", "small", "--dry-run")
        assert result.stdout == labkeeper("resume", "small").stdout
        assert result.exit_code == 0

    def test_detached_training_outlives_the_command(self, small, create, labkeeper):
        create("small", *SLOW)
        result = labkeeper("train", "small", "--detach")

        assert result.exit_code == 0
        assert re.match(r"Training in the background: process \d+\.\nThe log: .*\n", result.stdout)
        assert status(small) == "running"
        assert labkeeper("stop", "small").stdout == "small is stopped.\n"

    def test_what_goes_wrong_before_the_first_step_is_told(self, small, create, labkeeper):
        create("broken", "model.args.fail_at=1")

        assert "the model broke" in refused(labkeeper("train", "broken", "--detach"))


class TestCtrlC:
    def test_the_first_stops_after_the_batch_with_a_checkpoint(self, small, create, process):
        create("small", *SLOW)
        training = process("train", "small", "-q")
        begun(small)
        training.send_signal(signal.SIGINT)
        out, err = training.communicate()

        assert training.returncode == 130
        assert re.fullmatch(r"small is stopped \(.*\): `labkeeper resume small` goes on.\n", out)
        assert err == ""
        assert status(small) == "stopped"

    def test_the_second_interrupts_at_once(self, small, create, process):
        create("small", "model.args.delay=600")
        training = process("train", "small", "-q")
        wait_until(lambda: phase(small) == "train")
        training.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert training.poll() is None
        training.send_signal(signal.SIGINT)
        out, err = training.communicate(timeout=120)

        assert training.returncode == 130
        assert "Traceback" not in out + err
        assert status(small) == "stopped"

    def test_what_was_to_come_next_is_left_out(self, small, create, process, lab):
        create("small", *SLOW)
        create("next", "epochs=1")
        training = process("train", "small", "next", "-q")
        begun(small)
        training.send_signal(signal.SIGINT)
        training.communicate()

        assert training.returncode == 130
        assert status(small, "next") is None
