"""Whether a metric is better low or high: what was said, else what its name says."""

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import Goal
from tracker.database.tables import MetricGoal

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
    rows = session.execute(select(MetricGoal.metric, MetricGoal.goal))
    return {row.metric: row.goal for row in rows}


def known_goal(metric: str) -> Goal | None:
    """What the last part of the metric's name says, if it is one of the known names."""
    last = re.split(r"[^0-9a-z]+", metric.lower())[-1]
    return KNOWN.get(last)
