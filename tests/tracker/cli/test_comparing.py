import csv
import io
import json

import pytest


@pytest.fixture
def two(lab):
    """`a` and `b`: one parameter, one metric and one uncommitted edit apart."""
    for name, rate in (("a", 0.1), ("b", 0.2)):
        with lab.run(name, experiment="digits", params={"lr": rate, "depth": 3}) as run:
            run.log({"val_loss": 1 + rate, "odd": 7.0}, step=0, epoch=0)
    return lab


class TestDiff:
    def test_shows_only_what_differs(self, two, labkeeper):
        text = labkeeper("diff", "a", "b").stdout

        assert text.splitlines() == [
            "Parameters  a    b",
            "lr          0.1  0.2",
            "",
            "Metrics           a    b  change  better",
            "best(val_loss)  1.1  1.2  +0.1    a",
            "last(val_loss)  1.1  1.2  +0.1    a",
        ]

    def test_of_a_run_and_itself_nothing_is_shown(self, two, labkeeper):
        result = labkeeper("diff", "a", "digits/a")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "Nothing differs.\n"

    def test_three_have_a_column_each(self, two, labkeeper):
        with two.run("c", experiment="digits", params={"lr": None}):
            pass

        header, depth, rate, *_ = labkeeper("diff", "a", "b", "c").stdout.splitlines()
        assert header.split() == ["Parameters", "a", "b", "c"]
        assert rate.split() == ["lr", "0.1", "0.2", "None"]
        assert depth.split() == ["depth", "3", "3", "-"]

    def test_json_has_a_key_for_each_section(self, two, labkeeper):
        found = json.loads(labkeeper("diff", "a", "b", "--json").stdout)

        assert found["names"] == ["a", "b"]
        assert found["parameters"] == {"lr": {"a": 0.1, "b": 0.2}}
        assert found["metrics"]["best(val_loss)"] == {
            "values": {"a": 1.1, "b": 1.2},
            "goal": "min",
            "better": ["a"],
        }

    def test_csv_has_a_row_for_each_difference(self, two, labkeeper):
        header, *rows = csv.reader(io.StringIO(labkeeper("diff", "a", "b", "--csv").stdout))

        assert header == ["section", "what", "a", "b", "better"]
        assert rows == [
            ["parameters", "lr", "0.1", "0.2", ""],
            ["metrics", "best(val_loss)", "1.1", "1.2", "a"],
            ["metrics", "last(val_loss)", "1.1", "1.2", "a"],
        ]

    def test_one_name_is_not_enough(self, two, labkeeper):
        result = labkeeper("diff", "a")

        assert result.exit_code == 2
        assert "two or more" in result.stderr

    def test_an_uncommitted_edit_is_a_patch_to_read(self, two, labkeeper):
        from tracker.database.tables import Environment, Run, RunSession

        with two.database.write() as session:
            run = session.query(Run).filter_by(name="b").one()
            working = session.query(RunSession).filter_by(run_id=run.id).one()
            row = session.get_one(Environment, working.environment_id)
            facts = {
                name: getattr(row, name)
                for name in ("python", "packages", "host", "platform", "cpu", "gpu", "git_branch")
            }
            patch = (row.patch or "") + "diff --git a/new.py b/new.py\n+x = 1\x1b[2J\n"
            edited = Environment(hash="edited", patch=patch, git_commit="c" * 40, **facts)
            session.add(edited)
            session.flush()
            working.environment_id = edited.id

        text = labkeeper("diff", "a", "b").stdout

        assert "\nUncommitted changes of b\n" in text
        assert text.endswith("diff --git a/new.py b/new.py\n+x = 1\\x1b[2J\n")
        assert "cccccccccccc\n" in text
        rows = json.loads(labkeeper("diff", "a", "b", "--json").stdout)
        assert rows["patches"]["b"].endswith("+x = 1\x1b[2J\n")


class TestMatching:
    def test_says_who_shares_how_much_and_what(self, two, labkeeper):
        text = labkeeper("matching", "a").stdout

        assert [line.split(None, 5) for line in text.splitlines()] == [
            ["name", "experiment", "status", "shared", "of", "values"],
            ["b", "digits", "finished", "1", "2", "depth=3"],
        ]

    def test_by_value_a_row_for_each(self, two, labkeeper):
        found = json.loads(labkeeper("matching", "a", "--by", "value", "--json").stdout)

        assert found == [{"key": "depth", "value": 3, "others": 1, "names": ["b"]}]

    def test_of_many_people_see_the_first_and_programs_all(self, lab, labkeeper):
        params = {f"p{number}": number for number in range(11)}
        for number in range(13):
            lab.run(f"run-{number}", params=params).finish()

        first, *_ = labkeeper("matching", "run-0", "--by", "value").stdout.splitlines()[1:]
        assert first.endswith(
            "run-12, run-11, run-10, run-9, run-8, run-7, run-6, run-5, and 4 more"
        )
        three = labkeeper("matching", "run-0", "--by", "value", "--limit", "3").stdout
        assert three.splitlines()[1].endswith("run-12, run-11, run-10, and 9 more")
        by_name = labkeeper("matching", "run-0").stdout.splitlines()
        assert len(by_name) == 13
        assert by_name[1].endswith("p5=5, p6=6, and 3 more")
        (whole, *_) = json.loads(labkeeper("matching", "run-0", "--by", "value", "--json").stdout)
        assert len(whole["names"]) == 12
        (row, *_) = json.loads(labkeeper("matching", "run-0", "--json").stdout)
        assert len(row["values"]) == 11

    def test_on_a_key_and_where_a_filter_holds(self, two, labkeeper):
        assert json.loads(labkeeper("matching", "a", "--on", "lr", "--json").stdout) == []
        assert json.loads(labkeeper("matching", "a", "--where", "lr > 1", "--json").stdout) == []
        assert "b" in labkeeper("matching", "a", "--on", "depth", "--where", "lr > 0.1").stdout
        result = labkeeper("matching", "a", "--on", "dept")
        assert result.stderr == "Error: There is no parameter named 'dept'. Did you mean 'depth'?\n"

    def test_nothing_shared_is_said(self, two, labkeeper):
        with two.run("alone"):
            pass

        assert labkeeper("matching", "alone").stderr == "Nothing shares a value with 'alone'.\n"
