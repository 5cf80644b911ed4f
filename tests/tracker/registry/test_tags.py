import pytest
from sqlalchemy.exc import IntegrityError

from tracker.errors import InvalidError
from tracker.registry.runs import create_run
from tracker.registry.tags import add_tags, remove_tags, tags_of_pipelines, tags_of_runs


def test_a_run_has_each_tag_once_in_alphabetical_order(database, run_id):
    with database.write() as session:
        add_tags(session, ["wide", "cnn", "wide"], run_id=run_id)
        add_tags(session, ["cnn", "baseline"], run_id=run_id)

        assert tags_of_runs(session, [run_id]) == {run_id: ["baseline", "cnn", "wide"]}


def test_removing_takes_only_the_named_off_only_this_run(database, run_id):
    with database.write() as session:
        other = create_run(session, name="b", experiment="digits", tags=["cnn"])
        add_tags(session, ["wide", "cnn"], run_id=run_id)

        remove_tags(session, ["cnn", "never there"], run_id=run_id)

        assert tags_of_runs(session, [run_id, other.id]) == {run_id: ["wide"], other.id: ["cnn"]}


def test_pipelines_have_their_own(database, run_id, pipeline_id):
    with database.write() as session:
        add_tags(session, ["cnn"], run_id=run_id)
        add_tags(session, ["mlp", "cnn"], pipeline_id=pipeline_id)
        remove_tags(session, ["cnn"], pipeline_id=pipeline_id)

        assert tags_of_pipelines(session, [pipeline_id]) == {pipeline_id: ["mlp"]}
        assert tags_of_runs(session, [run_id]) == {run_id: ["cnn"]}


def test_a_single_text_is_no_list_of_tags(database, run_id):
    with database.write() as session, pytest.raises(InvalidError, match=r"\['cnn'\]"):
        add_tags(session, "cnn", run_id=run_id)


@pytest.mark.parametrize("tag", [" cnn", "cnn,mlp"])
def test_a_tag_that_cannot_be_typed_is_refused(database, run_id, tag):
    with database.write() as session, pytest.raises(InvalidError, match="tag"):
        add_tags(session, ["fine", tag], run_id=run_id)
    with database.read() as session:
        assert tags_of_runs(session, [run_id]) == {run_id: []}


def test_a_tag_needs_exactly_one_owner(database):
    from tracker.database.faults import driver

    with database.write() as session, pytest.raises((IntegrityError, driver().IntegrityError)):
        add_tags(session, ["cnn"])
