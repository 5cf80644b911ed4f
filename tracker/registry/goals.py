"""Saying whether a metric is better low or high; what follows is in `tracker.filters.goals`."""

from sqlalchemy import delete
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from tracker.database.kinds import Goal
from tracker.database.tables import MetricGoal
from tracker.errors import NotFoundError
from tracker.filters.goals import goal_of, known_goal, said_goals

__all__ = ["forget_goal", "goal_of", "known_goal", "said_goals", "set_goal", "suggest_goal"]


def set_goal(session: Session, metric: str, goal: Goal) -> None:
    """From now on the metric counts as better low (`min`) or high (`max`)."""
    statement = insert(MetricGoal).values(metric=metric, goal=goal)
    session.execute(statement.on_conflict_do_update(index_elements=["metric"], set_={"goal": goal}))


def suggest_goal(session: Session, metric: str, goal: Goal) -> None:
    """As `set_goal`, unless something was said about the metric before."""
    session.execute(insert(MetricGoal).values(metric=metric, goal=goal).on_conflict_do_nothing())


def forget_goal(session: Session, metric: str) -> None:
    """The metric's name decides again; NotFoundError if nothing was said about it."""
    said = said_goals(session)
    if metric not in said:
        raise NotFoundError("goal of a metric", metric, said)
    session.execute(delete(MetricGoal).where(MetricGoal.metric == metric))
