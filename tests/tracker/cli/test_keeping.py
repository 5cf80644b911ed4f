import json
import os

import pytest


@pytest.fixture
def names(labkeeper):
    """What a listing shows: `names("runs", "--deleted")`."""

    def listed(*arguments):
        return labkeeper(*arguments, "--columns", "name", "--csv").stdout.split()[1:]

    return listed


@pytest.mark.usefixtures("three_runs")
class TestKeeping:
    def test_archive_and_unarchive(self, labkeeper, names):
        result = labkeeper("archive", "--runs", "lr < 0.05")
        assert (result.exit_code, result.stdout) == (0, "Archived 2 runs.\n")
        assert names("runs") == ["mlp"]
        assert names("runs", "--archived") == ["mlp-3", "mlp-2"]

        assert labkeeper("unarchive", "mlp-3").stdout == "Unarchived 1 run.\n"
        assert names("runs") == ["mlp-3", "mlp"]

    def test_delete_restore_purge(self, labkeeper, names):
        result = labkeeper("delete", "mlp-2", "mlp-3", "--yes")
        assert (result.exit_code, result.stdout) == (0, "Deleted 2 runs.\n")
        assert names("runs", "--deleted") == ["mlp-3", "mlp-2"]

        assert labkeeper("restore", "mlp-3", "--as", "third").stdout == "Restored 1 run.\n"
        assert names("runs") == ["third", "mlp"]

        purged = labkeeper("purge", "--older-than", "0s", "--yes")
        assert purged.stdout.startswith("Purged 1 run")
        assert names("runs", "--deleted") == []

    @pytest.mark.parametrize("command", ["delete", "purge"])
    def test_without_a_terminal_it_is_refused_unless_yes_is_said(self, labkeeper, names, command):
        if command == "purge":
            labkeeper("delete", "mlp", "--yes")
        before = names("runs"), names("runs", "--deleted")

        result = labkeeper(command, "mlp")

        assert result.exit_code == 1
        refusal = result.stderr.splitlines()[-1]
        assert refusal.startswith(f"Error: This would {command} 1 run")
        assert refusal.endswith("There is no terminal to ask on: say --yes.")
        assert (names("runs"), names("runs", "--deleted")) == before

    @pytest.mark.parametrize("command", ["archive", "delete"])
    def test_a_dry_run_names_everything_and_changes_nothing(self, labkeeper, names, command):
        result = labkeeper(command, "--runs", "lr < 0.05", "--dry-run")

        assert result.stdout == (
            f"run       digits/mlp-2\nrun       digits/mlp-3\nWould {command} 2 runs.\n"
        )
        assert names("runs") == ["mlp-3", "mlp-2", "mlp"]

    def test_json(self, labkeeper):
        result = labkeeper("delete", "mlp", "--yes", "--json")

        assert json.loads(result.stdout) == {
            "pipelines": [],
            "runs": ["digits/mlp"],
            "checkpoints": [],
            "sweeps": [],
            "files": 0,
            "bytes": 0,
            "database_bytes": 0,
        }

    def test_nothing_matches(self, labkeeper):
        result = labkeeper("delete", "--runs", "lr > 100")

        assert (result.exit_code, result.stdout) == (0, "Nothing matches.\n")

    @pytest.mark.parametrize(
        ("arguments", "refusal"),
        [
            (["delete", "mpl", "--yes"], "Did you mean 'mlp'?"),
            (["restore", "mlp"], "There is no deleted pipeline or run named 'mlp'."),
            (["delete", "--runs", "lr <", "--yes"], "lr <"),
        ],
    )
    def test_refusals_are_one_line(self, labkeeper, names, arguments, refusal):
        result = labkeeper(*arguments)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert refusal in result.stderr
        assert len(names("runs")) == 3

    @pytest.mark.parametrize(
        "command",
        ["archive", "unarchive", "delete", "restore", "purge", "prune", "transfer export"],
    )
    def test_what_is_meant_must_be_said(self, labkeeper, names, tmp_path, command):
        output = ["-o", str(tmp_path / "bundle")] if "export" in command else ["--dry-run"]
        result = labkeeper(*command.split(), *output)

        assert result.exit_code == 2
        assert result.stderr.startswith("Error: Say ")
        assert result.stderr.count("\n") == 1
        assert len(names("runs")) == 3


@pytest.mark.usefixtures("three_runs")
@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 3)])
def test_on_a_terminal_it_asks(terminal, names, answer, left):
    screen = terminal("delete", "mlp-2")
    shown = screen.read_until("This would delete 1 run. Go on? [y/N]")
    assert "digits/mlp-2" in shown
    os.write(screen.reading, f"{answer}\n".encode())
    screen.read_all()

    assert screen.process.wait() == (0 if answer == "y" else 1)
    assert len(names("runs")) == left
