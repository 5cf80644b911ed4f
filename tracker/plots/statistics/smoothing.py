"""Smoothing a curve, point by point. What is no finite number stays, and counts for nothing.

`ema:0.9`    the exponential moving average of the finite values y_1, y_2, ... with weight a = 0.9,
             s_t = a s_(t-1) + (1 - a) y_t from s_0 = 0, without the bias of that beginning:
             s_t / (1 - a^t)  (Kingma and Ba, Adam, 2015, section 3)
`rolling:5`  the mean of the finite ones among the last 5 points, of fewer at the beginning
"""

from collections.abc import Callable

import numpy as np

from tracker.errors import InvalidError
from tracker.plots.statistics.base import Floats

Smoother = Callable[[Floats], Floats]


def smoother(text: str) -> Smoother:
    """The smoothing that a text such as `ema:0.9` or `rolling:5` names."""
    name, _, amount = text.partition(":")
    try:
        if name == "ema" and 0 <= float(amount) < 1:
            return lambda y: ema(y, float(amount))
        if name == "rolling" and int(amount) >= 1:
            return lambda y: rolling(y, int(amount))
    except ValueError:
        pass
    raise InvalidError(
        f"Cannot smooth by {text!r}. Say ema:WEIGHT with a weight from 0 to below 1, such as "
        "ema:0.9, or rolling:POINTS, such as rolling:5."
    )


def ema(y: Floats, weight: float) -> Floats:
    """The debiased exponential moving average; see the top of this file."""
    from scipy.signal import lfilter  # noqa: PLC0415 - most pictures need none of it

    finite = np.isfinite(y)
    smooth = y.copy()
    if weight > 0 and finite.any():
        biased = lfilter([1 - weight], [1, -weight], y[finite])
        smooth[finite] = biased / -np.expm1(np.log(weight) * np.arange(1, biased.size + 1))
    return smooth


def rolling(y: Floats, points: int) -> Floats:
    """The mean over the last points; see the top of this file."""
    import pandas as pd  # noqa: PLC0415 - as above

    finite = np.isfinite(y)
    numbers = pd.Series(np.where(finite, y, np.nan))
    means = numbers.rolling(points, min_periods=1).mean().to_numpy()
    return np.where(finite, means, y)


def best_so_far(y: Floats, goal: str) -> Floats:
    """The best finite value up to each point; NaN before the first."""
    worst = np.inf if goal == "min" else -np.inf
    best = np.minimum if goal == "min" else np.maximum
    found: Floats = best.accumulate(np.where(np.isfinite(y), y, worst))
    return np.where(np.isfinite(found), found, np.nan)


def best_index(y: Floats, goal: str) -> int | None:
    """Where the best finite value is, the first time; None if there is none."""
    finite = np.isfinite(y)
    if not finite.any():
        return None
    worst = np.inf if goal == "min" else -np.inf
    candidates = np.where(finite, y, worst)
    return int(candidates.argmin() if goal == "min" else candidates.argmax())
