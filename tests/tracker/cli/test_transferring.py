"""`transfer`: export, show, import, trust."""

import json

import pytest
from click.testing import CliRunner

from tracker.lab import Lab


@pytest.fixture
def there(tmp_path):
    with Lab.init(tmp_path / "there") as lab:
        yield lab


@pytest.fixture
def in_there(there):
    from tracker.cli.main import labkeeper as command

    def run(*args):
        return CliRunner().invoke(command, ["--lab", str(there.root), *args])

    return run


@pytest.fixture
def file(three_runs, tmp_path):
    return str(tmp_path / "all.bundle")


def test_from_lab_to_lab(labkeeper, in_there, there, file, three_runs):
    exported = labkeeper("transfer", "export", "--all", "-o", file)
    imported = in_there("transfer", "import", file)

    assert exported.stdout.startswith("Wrote 0 pipelines, 3 runs, 0 sweeps, 0 files (")
    assert exported.stdout.endswith(f"to {file}.\n")
    assert [line.split() for line in imported.stdout.splitlines()] == [
        ["kind", "name", "fate", "here"],
        ["run", "mlp", "new", "mlp"],
        ["run", "mlp-2", "new", "mlp-2"],
        ["run", "mlp-3", "new", "mlp-3"],
    ]
    assert there.runs(sort="name").equals(three_runs.runs(sort="name"))


def test_names_filters_and_moving(labkeeper, three_runs, tmp_path):
    first = labkeeper("transfer", "export", "mlp", "-o", str(tmp_path / "a"), "--move", "--yes")
    second = labkeeper("transfer", "export", "--runs", "lr < 0.005", "-o", str(tmp_path / "b"))

    assert "1 run," in first.stdout
    assert first.stdout.endswith("The originals are deleted.\n")
    assert "1 run," in second.stdout
    assert sorted(three_runs.runs()["name"]) == ["mlp-2", "mlp-3"]


def test_moving_asks_first(labkeeper, three_runs, tmp_path):
    refused = labkeeper("transfer", "export", "mlp", "-o", str(tmp_path / "a"), "--move")

    assert refused.exit_code == 1
    assert "--yes" in refused.stderr
    assert not (tmp_path / "a").exists()
    assert len(three_runs.runs()) == 3


def test_looking_inside(labkeeper, file):
    labkeeper("transfer", "export", "--all", "-o", file)
    shown = labkeeper("transfer", "show", file)
    listed = labkeeper("transfer", "show", file, "--files")
    facts = json.loads(labkeeper("transfer", "show", file, "--json").stdout)

    assert "runs         3" in shown.stdout
    assert "tables/runs.jsonl" in listed.stdout
    assert facts["runs"] == 3
    assert {entry["name"] for entry in facts["files"]} >= {"metrics/000000.safetensors"}


def test_a_taken_name_is_one_line(labkeeper, in_there, there, file):
    there.run("mlp", experiment="digits").finish()
    labkeeper("transfer", "export", "--all", "-o", file)
    refused = in_there("transfer", "import", file)
    renamed = in_there("transfer", "import", file, "--rename", "--json")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: ")
    assert "another run in the experiment 'digits' is called 'mlp'" in refused.stderr
    assert "--rename, --skip or --replace" in refused.stderr
    assert [row["here"] for row in json.loads(renamed.stdout)] == ["mlp-4", "mlp-2", "mlp-3"]


def test_a_damaged_file_is_one_line(in_there, tmp_path):
    (tmp_path / "f").write_bytes(b"hello")
    for command in ("import", "show"):
        refused = in_there("transfer", command, str(tmp_path / "f"))
        assert refused.exit_code == 1
        assert refused.stderr == (
            f"Error: {tmp_path / 'f'} is refused: it is no bundle. Nothing was changed.\n"
        )


def test_sources_are_shown_and_unpacked(create, labkeeper, in_there, there, tmp_path):
    create("small")
    file = str(tmp_path / "b")
    labkeeper("transfer", "export", "small", "-o", file, "--sources")
    shown = in_there("transfer", "show", file, "--sources")
    done = in_there("transfer", "import", file, "--sources", str(there.root))

    assert "# parts.py\n" in shown.stdout
    assert "class Net" in shown.stdout
    assert "Wrote 1 source file to" in done.stderr
    assert "class Net" in (there.root / "parts.py").read_text()


def test_sources_cannot_command_the_terminal(create, small, labkeeper, tmp_path):
    with (small.root / "parts.py").open("a") as parts:
        parts.write("\n# \x1b[2J\u202e\n")
    create("small")
    labkeeper("transfer", "export", "small", "-o", str(tmp_path / "b"), "--sources")
    shown = labkeeper("transfer", "show", str(tmp_path / "b"), "--sources")

    assert r"# \x1b[2J\u202e" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_trusting_says_how_many_files(labkeeper, in_there, three_runs, file, tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with three_runs.resume_run("mlp") as run:
        run.log_artifact(tmp_path / "x.txt")
    exported = labkeeper("transfer", "export", "--all", "-o", file)
    imported = in_there("transfer", "import", file)

    assert (exported.stderr, imported.stderr) == ("", "")
    assert in_there("transfer", "trust", "mlp").stdout == "Trusted 1 file more.\n"
    assert in_there("transfer", "trust", "mlp").stdout == "Trusted 0 files more.\n"


def test_a_dry_run_says_what_would_be_and_does_nothing(labkeeper, in_there, there, file):
    labkeeper("transfer", "export", "--all", "-o", file)
    there.run("mlp", experiment="digits").finish()
    refused = in_there("transfer", "import", file, "--dry-run")
    told = in_there("transfer", "import", file, "--rename", "--dry-run")

    assert refused.exit_code == 1
    assert "is called 'mlp'" in refused.stderr
    assert ["run", "mlp", "renamed", "mlp-4"] in [line.split() for line in told.stdout.splitlines()]
    assert told.stderr == "Nothing was changed.\n"
    assert list(there.runs()["name"]) == ["mlp"]
    assert in_there("transfer", "import", file, "--rename").stdout == told.stdout


def test_one_rule_at_a_time(in_there, file):
    result = in_there("transfer", "import", file, "--rename", "--skip")

    assert result.exit_code == 2
    assert "There is one rule at a time: --rename, or --skip." in result.stderr
