"""Whether a metric is better low or high: what was said, else what its name says."""

import re

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import Goal

# By the last part of a metric's name: `val/loss`, `val_loss` and `loss` all end in `loss`.
KNOWN = {
    **dict.fromkeys(
        ("loss", "error", "err", "mse", "rmse", "mae", "mape", "nll", "perplexity"), Goal.MIN
    ),
    **dict.fromkeys(
        ("accuracy", "acc", "f1", "auc", "r2", "precision", "recall"), Goal.MAX
    ),
}  # fmt: skip


def goal_of(session: Session, metric: str) -> Goal | None:
    """What was said about the metric, else what its name says, else None."""
    return said_goals(session).get(metric) or known_goal(metric)


def said_goals(session: Session) -> dict[str, Goal]:
    """Every metric that somebody has set a goal for."""
    # For each list: the driver is a hundred times as fast as the session.
    rows = driver_connection(session).execute("SELECT metric, goal FROM goals")
    return {metric: Goal(goal) for metric, goal in rows}


def known_goal(metric: str) -> Goal | None:
    """What the last part of the metric's name says, if it is one of the known names."""
    last = re.split(r"[^0-9a-z]+", metric.lower())[-1]
    return KNOWN.get(last)
