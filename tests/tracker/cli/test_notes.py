import json

import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


@pytest.fixture
def tags(labkeeper):
    """The tags of each run by name."""

    def read():
        rows = json.loads(labkeeper("runs", "--columns", "name,tags,note", "--json").stdout)
        return {row["name"]: row["tags"] for row in rows}

    return read


class TestTag:
    def test_goes_on_one_and_off_again(self, labkeeper, tags):
        assert labkeeper("tag", "mlp", "good", "paper").exit_code == 0
        assert tags()["mlp"] == ["base", "good", "paper"]

        labkeeper("tag", "mlp", "base", "good", "--remove")
        assert tags() == {"mlp": ["paper"], "mlp-2": ["base"], "mlp-3": ["base"]}

    def test_goes_on_all_that_a_filter_describes(self, labkeeper, tags):
        labkeeper("tag", "--runs", "lr < 0.05", "small")

        assert tags() == {"mlp": ["base"], "mlp-2": ["base", "small"], "mlp-3": ["base", "small"]}

    def test_a_dry_run_shows_and_changes_nothing(self, labkeeper, tags):
        result = labkeeper("tag", "--runs", "lr < 0.05", "small", "--dry-run")

        assert [line.split(None, 2) for line in result.stdout.splitlines()] == [
            ["name", "kind", "tags"],
            ["mlp-3", "run", "base, small"],
            ["mlp-2", "run", "base, small"],
        ]
        assert result.stderr == "Nothing was changed.\n"
        assert tags()["mlp-2"] == ["base"]

    def test_a_wrong_tag_changes_none(self, labkeeper, tags):
        result = labkeeper("tag", "--runs", "lr < 1", "good", " bad ")

        assert result.exit_code == 1
        assert "' bad '" in result.stderr
        assert tags() == {"mlp": ["base"], "mlp-2": ["base"], "mlp-3": ["base"]}

    @pytest.mark.parametrize("words", [["mlp"], []])
    def test_a_name_and_a_tag_are_needed(self, labkeeper, words):
        assert labkeeper("tag", *words).exit_code == 2

    def test_nothing_described_is_said(self, labkeeper):
        result = labkeeper("tag", "--runs", "lr > 5", "x")

        assert (result.exit_code, result.stderr) == (0, "Nothing matches.\n")
        assert labkeeper("tag", "--pipelines", "name == 'x'", "x").stderr == "Nothing matches.\n"


class TestNote:
    def test_one_and_many(self, labkeeper):
        labkeeper("note", "--runs", "lr < 0.05", "slow")
        labkeeper("note", "mlp-3", "")
        rows = json.loads(labkeeper("runs", "--columns", "name,note", "--json").stdout)

        assert {row["name"]: row["note"] for row in rows} == {
            "mlp": None,
            "mlp-2": "slow",
            "mlp-3": None,
        }

    def test_two_texts_are_one_too_many(self, labkeeper):
        result = labkeeper("note", "mlp", "two", "words")

        assert result.exit_code == 2
        assert "put it in quotes" in result.stderr


class TestRename:
    def test_one(self, labkeeper, tags):
        assert labkeeper("rename", "mlp", "baseline").exit_code == 0

        assert set(tags()) == {"baseline", "mlp-2", "mlp-3"}
        result = labkeeper("rename", "mlp-2", "mlp-3")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)

    def test_many_by_what_tells_them_apart(self, labkeeper, tags):
        shown = labkeeper("rename", "--runs", "lr < 1", "lr={lr}", "--dry-run").stdout
        assert shown.splitlines()[1].split() == ["mlp-3", "run", "lr=0.001"]

        labkeeper("rename", "--runs", "lr < 1", "lr={lr}")

        assert set(tags()) == {"lr=0.1", "lr=0.01", "lr=0.001"}

    def test_one_name_for_many_is_refused(self, labkeeper, tags):
        result = labkeeper("rename", "--runs", "lr < 1", "same")

        assert (result.exit_code, set(tags())) == (1, {"mlp", "mlp-2", "mlp-3"})
        assert "3 runs would be named 'same'" in result.stderr
        assert labkeeper("rename", "mlp", "b", "c").exit_code == 2


def test_favourites_are_marked_found_and_unmarked(labkeeper):
    def favourites():
        rows = labkeeper("runs", "'favourite' in tags", "--json").stdout
        return [row["name"] for row in json.loads(rows)]

    labkeeper("mark", "mlp", "mlp-2")
    assert favourites() == ["mlp-2", "mlp"]
    labkeeper("unmark", "--runs", "lr < 0.05")
    assert favourites() == ["mlp"]
    assert labkeeper("mark").exit_code == 2


class TestOnATerminal:
    def test_many_are_asked_about(self, terminal, tags):
        screen = terminal("tag", "--runs", "lr < 0.05", "small")
        screen.read_until("This would tag 2 (mlp-3, mlp-2). Go on? [y/N]")
        screen.type("n\n")
        screen.read_all()

        assert screen.process.wait() == 1
        assert "Nothing was changed." in screen.text
        assert tags()["mlp-2"] == ["base"]

        screen = terminal("tag", "--runs", "lr < 0.05", "small")
        screen.read_until("[y/N]")
        screen.type("y\n")
        screen.read_all()

        assert screen.process.wait() == 0
        assert tags()["mlp-2"] == ["base", "small"]

    def test_one_or_yes_is_not_asked_about(self, terminal, tags):
        for arguments in (["mlp", "x"], ["--runs", "lr < 0.05", "x", "--yes"]):
            screen = terminal("tag", *arguments)
            screen.read_all()
            assert screen.process.wait() == 0
            assert "[y/N]" not in screen.text

        assert all("x" in found for found in tags().values())
