import math
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from tracker.database.tables import Pipeline, Run
from tracker.errors import FilterError, InvalidError, NotFoundError, StateError, TakenError
from tracker.registry.choosing import again, called, choose
from tracker.registry.labelling import new_names, rename, tag, tags_of, write_note
from tracker.registry.pipelines import current_run
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session


@pytest.fixture
def session(database):
    with database.write() as session:
        yield session


@pytest.fixture
def lab(session, store, store_pipeline):
    for name, rate in (("a", 0.1), ("b", 0.01), ("c", math.nan)):
        store(session, {"name": name, "params": {"lr": rate}, "tags": ["t"]})
    store(session, {"name": "a", "experiment": "letters", "params": {}})
    store_pipeline(session, {"name": "p", "run": {"name": "p", "params": {"lr": 0.5}}})
    store_pipeline(session, {"name": "q"})
    return session


def names(owners):
    return [owner.name for owner in owners]


class TestChoosing:
    def test_by_names_a_pipeline_comes_before_a_run(self, lab):
        found = choose(lab, ["p", "b", "p"])

        assert [type(owner) for owner in found] == [Pipeline, Run]
        assert names(found) == ["p", "b"]

    def test_by_a_filter_the_newest_first(self, lab):
        assert names(choose(lab, runs="lr < 0.2")) == ["b", "a"]
        assert names(choose(lab, pipelines="lr < 1")) == ["p"]

    def test_names_and_filters_together_mean_each_once(self, lab):
        found = choose(lab, ["b", "q"], pipelines="lr < 1", runs="lr < 0.2")

        assert names(found) == ["b", "q", "p", "a"]

    def test_what_says_nothing_is_refused(self, lab):
        with pytest.raises(InvalidError, match="by name, or by --pipelines or --runs"):
            choose(lab)
        with pytest.raises(NotFoundError):
            choose(lab, ["b", "zzz"])
        with pytest.raises(FilterError):
            choose(lab, runs="lr <")

    def test_runs_of_one_name_are_called_by_their_experiment(self, lab):
        owners = choose(lab, ["digits/a", "letters/a", "b", "p"])

        assert called(lab, owners) == ["digits/a", "letters/a", "b", "p"]

    def test_one_that_is_gone_by_now_is_told(self, lab):
        owners = choose(lab, ["b", "q"])
        assert again(lab, owners) == owners

        lab.delete(owners[0])
        lab.flush()

        with pytest.raises(NotFoundError, match="no run named 'b'"):
            again(lab, owners)

    def test_another_with_the_id_of_one_that_is_gone_is_not_it(self, database, store_pipeline):
        with database.write() as session:
            store_pipeline(session, {"name": "p"})
            owners = choose(session, ["p"])
        with database.write() as session:
            session.execute(delete(Pipeline))
            later = store_pipeline(session, {"name": "p", "created": datetime.now(UTC)})
            assert later == owners[0].id

            with pytest.raises(NotFoundError, match="no pipeline named 'p'"):
                again(session, owners)


def test_tags_go_on_and_off_runs_and_pipelines_alike(lab):
    owners = choose(lab, ["b", "q"])

    tag(lab, owners, ["x", "favourite"], ["t", "unknown"])

    assert tags_of(lab, owners) == [["favourite", "x"], ["favourite", "x"]]
    assert tags_of(lab, choose(lab, ["c"])) == [["t"]]


def test_a_note_is_replaced_and_taken_away(lab):
    owners = choose(lab, ["b", "q"])

    write_note(owners, "once")
    assert names(choose(lab, runs="note == 'once'")) == ["b"]
    write_note(owners, "")

    assert [owner.note for owner in owners] == [None, None]


class TestNewNames:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("mlp-{lr}", ["mlp-0.1", "mlp-0.01"]),
            ("{experiment}/{ name }-{lr * 10}", ["digits/a-1.0", "digits/b-0.1"]),
            ("{{{name}}}", ["{a}", "{b}"]),
            ("{tags}-{name}", ["t-a", "t-b"]),
        ],
    )
    def test_braces_hold_expressions(self, lab, template, expected):
        assert new_names(lab, choose(lab, ["digits/a", "b"]), template) == expected

    def test_a_pipeline_is_named_by_its_own_columns(self, lab):
        owners = choose(lab, ["p", "b"])

        assert new_names(lab, owners, "{name}-{lr}") == ["p-0.5", "b-0.01"]

    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("same", "2 runs would be named 'same'"),
            ("{lr", "brace without a pair"),
            ("lr}", "brace without a pair"),
            ("{}{name}", "brace without a pair or an expression"),
            ("{lrr}", "Did you mean 'lr'"),
            ("-{name}", "read as an option"),
            ("{duration}", "'a' has no duration"),
        ],
    )
    def test_what_makes_no_name_is_refused(self, lab, template, words):
        with pytest.raises(InvalidError, match=words):
            new_names(lab, choose(lab, ["digits/a", "b"]), template)

    def test_a_value_that_is_nan_makes_no_name(self, lab):
        with pytest.raises(InvalidError, match="'c' has no lr"):
            new_names(lab, choose(lab, ["c"]), "{lr}")

    def test_one_name_in_two_experiments_is_two_names(self, lab):
        owners = choose(lab, ["digits/a", "letters/a"])

        assert new_names(lab, owners, "same") == ["same", "same"]


class TestRename:
    def test_runs_may_swap_their_names(self, lab):
        owners = choose(lab, ["digits/a", "b"])

        rename(lab, owners, ["b", "a"])

        assert names(owners) == ["b", "a"]

    def test_a_taken_name_is_refused(self, lab):
        for owner, name in (("b", "c"), ("q", "p")):
            with pytest.raises(TakenError, match=f"named '{name}'"):
                rename(lab, choose(lab, [owner]), [name])

    def test_of_several_one_that_is_taken_is_refused_too(self, lab):
        owners = choose(lab, ["digits/a", "b"])

        with pytest.raises(TakenError, match="named 'c'"):
            rename(lab, owners, ["d", "c"])

    def test_its_own_name_is_no_change(self, lab):
        owners = choose(lab, ["b", "q"])

        rename(lab, owners, ["b", "q"])

        assert names(owners) == ["b", "q"]

    def test_a_running_pipeline_keeps_its_name(self, lab):
        (pipeline,) = choose(lab, ["p"])
        begin_session(lab, current_run(lab, pipeline).id, this_process())

        with pytest.raises(StateError, match="labkeeper stop p"):
            rename(lab, [pipeline], ["new"])
        assert pipeline.name == "p"

    def test_a_name_that_cannot_be_one_is_refused(self, lab):
        with pytest.raises(InvalidError, match="must not be empty"):
            rename(lab, choose(lab, ["b"]), [" "])


def test_runs_called_after_a_pipeline_are_renamed_with_it(lab):
    (pipeline,) = choose(lab, ["p"])
    for name in ("p-2", "px"):
        create_run(lab, name=name, experiment="digits", pipeline_id=pipeline.id)
    rename(lab, [pipeline], ["net"])

    assert names(choose(lab, ["net-2", "px"])) == ["net-2", "px"]
    assert current_run(lab, pipeline).name == "net"
