import pytest

from tracker.database.kinds import Goal
from tracker.errors import NotFoundError
from tracker.registry.goals import forget_goal, goal_of, said_goals, set_goal, suggest_goal


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        ("loss", Goal.MIN),
        ("val_loss", Goal.MIN),
        ("val/loss", Goal.MIN),
        ("train.Mean-MSE", Goal.MIN),
        ("perplexity", Goal.MIN),
        ("val_accuracy", Goal.MAX),
        ("test/f1", Goal.MAX),
        ("R2", Goal.MAX),
        ("loss_scale", None),
        ("lossy", None),
        ("speed", None),
        ("", None),
    ],
)
def test_the_last_part_of_the_name_decides(database, metric, goal):
    with database.read() as session:
        assert goal_of(session, metric) == goal


def test_what_was_said_outweighs_the_name(database):
    with database.write() as session:
        set_goal(session, "val_loss", Goal.MAX)
        set_goal(session, "speed", Goal.MIN)
        set_goal(session, "speed", Goal.MAX)

    with database.read() as session:
        assert goal_of(session, "val_loss") == Goal.MAX
        assert goal_of(session, "speed") == Goal.MAX
        assert goal_of(session, "train_loss") == Goal.MIN
        assert said_goals(session) == {"val_loss": Goal.MAX, "speed": Goal.MAX}


def test_a_suggestion_never_overrules(database):
    with database.write() as session:
        set_goal(session, "score", Goal.MIN)
        suggest_goal(session, "score", Goal.MAX)
        suggest_goal(session, "speed", Goal.MAX)

        assert said_goals(session) == {"score": Goal.MIN, "speed": Goal.MAX}


def test_a_forgotten_goal_leaves_the_name_to_decide(database):
    with database.write() as session:
        set_goal(session, "loss", Goal.MAX)
        forget_goal(session, "loss")

        assert goal_of(session, "loss") == Goal.MIN
        with pytest.raises(NotFoundError):
            forget_goal(session, "loss")
