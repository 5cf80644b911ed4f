import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tracker.sweeps import ExperimentLog, Sweep

TRAIN = """
    import os
    import time


    def train(config, trial):
        print("lr", config.lr)
        for step in range(trial.resumed or 0, config.get("steps", 2)):
            time.sleep(config.get("delay", 0))
            trial.log(loss=config.lr / (step + 1), step=step)
            if config.get("saves"):
                trial.checkpoint(step + 1)
        if config.lr == config.get("bad"):
            raise ArithmeticError("it diverged\\nfar away")
        if config.lr == config.get("deadly") and trial.attempt % 3:
            os.kill(os.getpid(), 9)
        return {"score": 1 - config.lr}
"""
GRID = "steps: 2\ngrid:\n  lr: [0.5, 0.25]\n  seed: [0, 1]\n"


@pytest.fixture
def rates(lab, labkeeper):
    """Makes the sweep `rates` by the command, with the configuration given: `rates("...")`."""

    def make(text=GRID, *options):
        (lab.root / "parts.py").write_text(textwrap.dedent(TRAIN))
        path = lab.root / "rates.yaml"
        path.write_text(text)
        return labkeeper("sweep", "create", "-c", str(path), "-t", "parts:train", *options)

    return make


def command(lab, *words):
    return [sys.executable, "-m", "tracker", "--lab", str(lab.root), "sweep", *words]


def test_from_file_to_results(rates, labkeeper):
    assert rates().stdout == "Created rates: 4 trials.\nRun it: labkeeper sweep run rates\n"
    run = labkeeper("sweep", "run", "rates", "--workers", "2")
    assert (run.exit_code, run.stdout) == (0, "rates: 4 finished.\n")
    told = re.findall(
        r"^rates/(\d)  finished  lr=(\S+)  seed=\d  loss \S+  score", run.stderr, re.MULTILINE
    )
    assert sorted(told) == [("0", "0.5"), ("1", "0.5"), ("2", "0.25"), ("3", "0.25")]

    table = labkeeper("sweep", "results", "rates", "--sort", "score", "--desc", "--csv").stdout
    header, *rows = table.splitlines()
    assert header == "trial,lr,seed,loss,score,status,seconds,run"
    assert [row.split(",")[:6] for row in rows] == [
        ["2", "0.25", "0", "0.125", "0.75", "finished"],
        ["3", "0.25", "1", "0.125", "0.75", "finished"],
        ["0", "0.5", "0", "0.25", "0.5", "finished"],
        ["1", "0.5", "1", "0.25", "0.5", "finished"],
    ]
    assert labkeeper("sweep", "log", "rates/2").stdout == "lr 0.25\n"
    assert (
        labkeeper("sweep", "list", "--csv")
        .stdout.splitlines()[1]
        .startswith("rates,4,0,0,4,0,0,0,0,false,")
    )
    assert "rates/2" in labkeeper("show", "rates/2").stdout
    again = labkeeper("sweep", "run", "rates")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "rates: 4 finished.\n", "")


def test_a_larger_grid_is_added_and_another_value_refused(rates, labkeeper):
    rates()
    assert rates(GRID.replace("0.25", "0.25, 0.1")).stdout.startswith(
        "rates had 4 trials; 2 are new.\n"
    )
    assert "4 trials of an earlier grid stay." in rates(GRID.replace("0.5, 0.25", "0.1")).stdout
    refused = rates(GRID.replace("steps: 2", "steps: 3"))
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "has steps = 2 in all its trials, and this is 3" in refused.stderr
    forked = rates(GRID.replace("steps: 2", "steps: 3"), "--fork")
    assert forked.stdout.startswith("Created rates-2: 4 trials.")


def test_what_fails_is_told_and_can_be_retried(rates, lab, labkeeper):
    rates("bad: 0.5\n" + GRID)
    run = labkeeper("sweep", "run", "rates", "-q")
    assert (run.exit_code, run.stdout) == (1, "rates: 2 failed, 2 finished.\n")
    assert run.stderr == "`labkeeper sweep log rates/0` says why the first one failed.\n"
    assert "ArithmeticError: it diverged" in labkeeper("sweep", "log", "rates/0").stdout

    status = json.loads(labkeeper("sweep", "status", "rates", "--json").stdout)
    assert status["counts"] == {"failed": 2, "finished": 2}
    assert [trial["failure"] for trial in status["failed"]] == ["ArithmeticError"] * 2
    words = labkeeper("sweep", "status", "rates").stdout
    assert "4 trials: 2 failed, 2 finished" in words
    assert "ArithmeticError: it diverged" in words

    assert labkeeper("sweep", "retry", "rates", "1").stdout == "1 trial of rates queued again.\n"
    assert labkeeper("sweep", "retry", "rates").stdout == "1 trial of rates queued again.\n"
    source = (lab.root / "parts.py").read_text()
    (lab.root / "parts.py").write_text(source.replace("it diverged", "again"))
    labkeeper("sweep", "run", "rates", "-q", "--max-attempts", "2")
    assert [trial.attempts for trial in Sweep.open("rates", lab=lab).trials()] == [3, 3, 1, 1]


def test_a_line_of_a_trial_stays_one(rates, labkeeper):
    rates("bad: 0.5\n" + GRID)
    told = labkeeper("sweep", "run", "rates").stderr.splitlines()

    (line,) = (line for line in told if line.startswith("rates/0"))
    assert line.startswith(
        "rates/0  failed  lr=0.5  seed=0  (ArithmeticError: it diverged far away)"
    )


def test_status_shows_what_varies_and_json_everything(rates, labkeeper):
    rates("bad: 0.5\n" + GRID)
    labkeeper("sweep", "run", "rates", "-q")
    lines = labkeeper("sweep", "status", "rates").stdout.splitlines()

    assert lines[-3].split() == ["trial", "point", "status", "reason"]
    assert lines[-2].split()[:4] == ["0", "lr=0.5", "seed=0", "failed"]
    status = json.loads(labkeeper("sweep", "status", "rates", "--json").stdout)
    assert status["failed"][0]["config"] == {"bad": 0.5, "steps": 2, "lr": 0.5, "seed": 0}


def test_a_worker_that_dies_is_told_of_and_so_is_its_trial(rates, labkeeper):
    rates("deadly: 0.5\nsteps: 1\ngrid:\n  lr: [0.5, 0.25]\n")
    for words, becomes in (
        ([], "is tried again, from its last checkpoint."),
        (["--max-losses", "1"], r"is left alone: process \d+ on \S+ vanished, 1 times by now."),
    ):
        run = labkeeper("sweep", "run", "rates", "-w", "2", "-q", *words)
        told = re.findall(
            r"^A worker, process \d+, died: SIGKILL\. rates/0 (.*)$", run.stderr, re.MULTILINE
        )
        assert told
        assert all(re.fullmatch(becomes, one) for one in told)
        labkeeper("sweep", "retry", "rates", "0", "--fresh")


def test_nothing_to_retry_or_to_cancel_says_why(rates, labkeeper):
    rates("bad: 0.5\n" + GRID)
    labkeeper("sweep", "cancel", "rates", "3")
    labkeeper("sweep", "run", "rates", "-q")
    for words, said in (
        (["cancel", "rates"], "cancelled (2 failed, 1 finished, 1 cancelled)"),
        (["retry", "rates", "2"], "queued again (1 finished)"),
        (
            ["retry", "rates", "--status", "stopped"],
            "queued again (2 failed, 1 finished, 1 cancelled)",
        ),
    ):
        assert labkeeper("sweep", *words).stdout == f"0 trials of rates {said}.\n"
    labkeeper("sweep", "retry", "rates")
    again = labkeeper("sweep", "retry", "rates").stdout
    assert again == "0 trials of rates queued again (2 queued already, 1 finished, 1 cancelled).\n"


def test_other_metrics_and_another_experiment_of_a_sweep_are_not_passed_over(rates, labkeeper):
    rates()
    again = rates(GRID, "--metric", "score", "--metric", "loss").stdout
    assert again.splitlines()[1] == (
        "From now on trials have to bring score, loss; before: whatever they brought."
    )
    assert "From now on" not in rates(GRID, "--metric", "score", "--metric", "loss").stdout
    assert "before: score, loss." in rates(GRID, "--metric", "nothing").stdout
    run = labkeeper("sweep", "run", "rates", "-q")
    assert run.stdout == "rates: 4 failed.\n"
    refused = rates(GRID, "--experiment", "elsewhere")
    assert "has its runs in experiment 'rates', and this is 'elsewhere'" in refused.stderr
    assert rates(GRID, "--experiment", "elsewhere", "--fork").stdout.startswith("Created rates-2")


def test_the_log_of_chosen_trials_goes_into_a_file_that_is_not_there(rates, labkeeper, tmp_path):
    rates("bad: 0.5\n" + GRID)
    labkeeper("sweep", "run", "rates", "-q")
    out = tmp_path / "log.tsv"
    words = ["results", "rates", "--tsv", str(out)]
    chosen = ["--status", "finished", "--sort", "seed", "--desc", "--limit", "1"]
    done = labkeeper("sweep", *words, *chosen)
    assert done.stdout == f"Wrote 1 trial of rates to {out}.\n"
    assert [row.config.to_dict() for row in ExperimentLog.from_tsv(out)] == [
        {"lr": 0.25, "seed": 1}
    ]
    refused = labkeeper("sweep", *words)
    assert (refused.exit_code, "--force" in refused.stderr) == (1, True)
    assert len(ExperimentLog.from_tsv(out)) == 1
    assert "Wrote 4 trials" in labkeeper("sweep", *words, "--force").stdout
    assert labkeeper("sweep", *words, "--force", "--csv").exit_code == 2


def test_status_is_watched_until_ctrl_c(rates, labkeeper, terminal):
    rates()
    screen = terminal("sweep", "status", "rates", "--watch", "--every", "0.1")
    screen.read_until("4 trials: 4 queued")
    labkeeper("sweep", "cancel", "rates", "2")
    screen.read_until("4 trials: 3 queued, 1 stopped")
    screen.process.send_signal(signal.SIGINT)

    screen.read_all()
    assert screen.process.wait() == 0
    assert "Traceback" not in screen.text


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "--watch redraws a terminal"), (["--json"], "--watch draws for people")],
)
def test_watching_a_sweep_needs_a_terminal_and_its_words(rates, labkeeper, words, message):
    rates()
    result = labkeeper("sweep", "status", "rates", "--watch", *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_worker_that_gives_up_says_so(rates, labkeeper):
    rates("bad: 0.5\n" + GRID)
    run = labkeeper("sweep", "run", "rates", "-q", "--max-failures", "2")

    assert run.exit_code == 1
    assert (
        "its last 2 trials failed: ArithmeticError: it diverged far away. The queue is"
        in run.stderr
    )
    assert run.stdout == "rates: 2 failed, 2 queued.\n"


def test_cancelled_paused_and_taken_up_again(rates, labkeeper, lab):
    rates()
    assert labkeeper("sweep", "cancel", "rates", "0", "1").stdout == (
        "2 trials of rates cancelled.\n"
    )
    assert labkeeper("sweep", "run", "rates", "-q").stdout == "rates: 2 finished, 2 stopped.\n"
    assert labkeeper("sweep", "pause", "rates").stdout == "rates is paused.\n"
    assert "paused since" in labkeeper("sweep", "status", "rates").stdout
    resumed = labkeeper("sweep", "resume", "rates", "-q")
    assert resumed.stdout == "rates: 4 finished.\n"


def test_stop_and_resume_from_another_terminal(rates, lab, labkeeper):
    rates(GRID.replace("steps: 2", "steps: 60\ndelay: 0.02\nsaves: true"))
    run = subprocess.Popen(
        command(lab, "run", "rates", "--workers", "2", "-q"), stdout=subprocess.PIPE, text=True
    )
    sweep = Sweep.open("rates", lab=lab)
    wait_for_two(sweep)
    assert labkeeper("sweep", "stop", "rates").stdout == "The workers of rates have left.\n"
    out, _ = run.communicate(timeout=60)

    assert (run.returncode, out) == (0, "rates: 2 queued, 2 stopped.\n")
    labkeeper("sweep", "pause", "rates")
    paused = subprocess.Popen(
        command(lab, "run", "rates", "-q"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not sweep.workers:
        time.sleep(0.02)
    assert labkeeper("sweep", "resume", "rates").stdout == "rates goes on, with 1 worker.\n"
    out, err = paused.communicate(timeout=60)
    assert out == "rates: 4 finished.\n"
    assert err.startswith("rates is paused: workers wait until `labkeeper sweep resume rates`.")
    assert sorted(trial.attempts for trial in sweep.trials()) == [1, 1, 2, 2]


def test_drain_lets_them_finish(rates, lab, labkeeper):
    rates(GRID.replace("steps: 2", "steps: 20\ndelay: 0.02"))
    run = subprocess.Popen(
        command(lab, "run", "rates", "--workers", "2", "-q"), stdout=subprocess.PIPE, text=True
    )
    wait_for_two(Sweep.open("rates", lab=lab))
    assert labkeeper("sweep", "drain", "rates").stdout == "The workers of rates have left.\n"
    out, _ = run.communicate(timeout=60)

    assert (run.returncode, out) == (0, "rates: 2 finished, 2 queued.\n")


def test_ctrl_c_saves_and_a_second_one_interrupts(rates, lab):
    rates(GRID.replace("steps: 2", "steps: 1000\ndelay: 0.02\nsaves: true"))
    sweep = Sweep.open("rates", lab=lab)
    for saves, reason in ((True, "its worker was told to stop"), (False, "interrupted (Ctrl-C)")):
        if not saves:
            source = (lab.root / "parts.py").read_text()
            (lab.root / "parts.py").write_text(source.replace("trial.checkpoint(step + 1)", "pass"))
        run = subprocess.Popen(
            command(lab, "run", "rates", "--workers", "2", "-q"), stdout=subprocess.DEVNULL
        )
        wait_for_two(sweep)
        time.sleep(2)  # until both are in the midst of it
        run.send_signal(signal.SIGINT)
        if not saves:
            time.sleep(1)
            run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 130
        assert {trial.reason for trial in sweep.trials("stopped")} == {reason}
        assert sweep.workers == 0


def wait_for_two(sweep):
    deadline = time.monotonic() + 60
    while sum(trial.status == "running" for trial in sweep.trials()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "rate"], 1, "There is no sweep named 'rate'. Did you mean 'rates'?"),
        (["results", "rates", "--sort", "scor"], 1, "There is no column named 'scor'."),
        (["log", "rates"], 2, "'rates' is no trial; write its sweep and number, as widths/3."),
        (["log", "rates/9"], 1, "There is no trial named 'rates/9'."),
        (["retry", "rates", "9"], 1, "There is no trial named 'rates/9'."),
        (["cancel", "rates", "9"], 1, "There is no trial named 'rates/9'."),
        (["run", "rates", "--split", "5/4"], 1, "'5/4' is no part: the parts of 4 are 1/4 to 4/4."),
        (["run", "rates", "--time-limit", "soon"], 1, "'soon' is no length of time"),
        (["run", "rates", "-w", "2", "--devices", "a"], 1, "2 workers need a device each"),
        (["create", "-c", "rates.yaml"], 1, "names no target: add --target parts:train."),
        (["create", "b", "-c", "rates.yaml"], 1, "name it: --target module:function."),
        (["create", "-c", "nowhere.yaml"], 1, "There is no file named 'nowhere.yaml'."),
    ],
)
def test_what_makes_no_sense_is_one_line(rates, lab, labkeeper, words, code, message, monkeypatch):
    rates()
    monkeypatch.chdir(lab.root)
    refused = labkeeper("sweep", *words)

    assert refused.exit_code == code
    assert message in refused.stderr
    if code == 1:
        assert refused.stderr.count("\n") == 1


def test_a_function_of_a_notebook_cannot_be_run_from_here(lab, labkeeper):
    Sweep({"grid": {"x": [1]}}, lambda config: {}, name="rates", lab=lab)
    refused = labkeeper("sweep", "run", "rates")

    assert refused.exit_code == 1
    assert "was defined in a script or a notebook" in refused.stderr


def test_where_there_is_no_lab_one_is_made_and_not_for_what_is_refused(
    labkeeper, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABKEEPER_LAB", raising=False)
    (tmp_path / "rates.yaml").write_text(GRID)
    words = ["create", "-c", "rates.yaml", "-t", "parts:train"]
    program = [sys.executable, "-m", "tracker", "sweep", *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / ".labkeeper").exists()) == (1, False)
    (tmp_path / "parts.py").write_text(textwrap.dedent(TRAIN))
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"Made a lab in {tmp_path}.\nCreated rates: 4 trials.\n")


def test_names_complete(rates, lab):
    rates()
    environment = os.environ | {
        "_LABKEEPER_COMPLETE": "bash_complete",
        "COMP_WORDS": f"labkeeper --lab {lab.root} sweep run ra",
        "COMP_CWORD": "5",
    }
    program = "import sys; sys.argv = ['labkeeper']; from tracker.cli.main import labkeeper; "
    done = subprocess.run(
        [sys.executable, "-c", program + "labkeeper(prog_name='labkeeper')"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "plain,rates\n"
