"""The statements that keep a series' summary true, and how one is computed from points.

Written for the driver's connection: they run once per logged point. Parameters are
numbered, because each is used several times.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

# ?1 series, ?2 step, ?3 epoch, ?4 value: one point at a step that had none. Expressions over
# the row as it is, so that several writers stay right. Comparisons with NULL (a NaN) fail.
ADD_POINT = """
UPDATE series SET
  count = count + 1,
  numbers = numbers + (?4 IS NOT NULL),
  total = total + coalesce(?4, 0.0),
  first = CASE WHEN first_step < ?2 THEN first ELSE ?4 END,
  first_step = CASE WHEN first_step < ?2 THEN first_step ELSE ?2 END,
  last = CASE WHEN last_step > ?2 THEN last ELSE ?4 END,
  last_step = CASE WHEN last_step > ?2 THEN last_step ELSE ?2 END,
  minimum_step = CASE WHEN {lower} THEN ?2 ELSE minimum_step END,
  minimum_epoch = CASE WHEN {lower} THEN ?3 ELSE minimum_epoch END,
  minimum = CASE WHEN {lower} THEN ?4 ELSE minimum END,
  maximum_step = CASE WHEN {higher} THEN ?2 ELSE maximum_step END,
  maximum_epoch = CASE WHEN {higher} THEN ?3 ELSE maximum_epoch END,
  maximum = CASE WHEN {higher} THEN ?4 ELSE maximum END
WHERE id = ?1
""".format(
    lower="?4 < minimum OR (?4 = minimum AND ?2 < minimum_step)"
    " OR (minimum IS NULL AND ?4 IS NOT NULL)",
    higher="?4 > maximum OR (?4 = maximum AND ?2 < maximum_step)"
    " OR (maximum IS NULL AND ?4 IS NOT NULL)",
)

# ?1 series, then a Summary's fields: many points, all at steps that had none.
ADD_SUMMARY = """
UPDATE series SET
  count = count + ?2,
  numbers = numbers + ?3,
  total = total + ?4,
  first = CASE WHEN first_step < ?6 THEN first ELSE ?5 END,
  first_step = CASE WHEN first_step < ?6 THEN first_step ELSE ?6 END,
  last = CASE WHEN last_step > ?8 THEN last ELSE ?7 END,
  last_step = CASE WHEN last_step > ?8 THEN last_step ELSE ?8 END,
  minimum_step = CASE WHEN {lower} THEN ?10 ELSE minimum_step END,
  minimum_epoch = CASE WHEN {lower} THEN ?11 ELSE minimum_epoch END,
  minimum = CASE WHEN {lower} THEN ?9 ELSE minimum END,
  maximum_step = CASE WHEN {higher} THEN ?13 ELSE maximum_step END,
  maximum_epoch = CASE WHEN {higher} THEN ?14 ELSE maximum_epoch END,
  maximum = CASE WHEN {higher} THEN ?12 ELSE maximum END
WHERE id = ?1
""".format(
    lower="?9 < minimum OR (?9 = minimum AND ?10 < minimum_step)"
    " OR (minimum IS NULL AND ?9 IS NOT NULL)",
    higher="?12 > maximum OR (?12 = maximum AND ?13 < maximum_step)"
    " OR (maximum IS NULL AND ?12 IS NOT NULL)",
)

# ?1 series: the summary of whatever points there are. total() of none is 0.0, of inf and
# -inf it is NULL.
RECOMPUTE = """
UPDATE series SET
  (count, numbers, total) =
    (SELECT count(*), count(value), total(value) FROM metrics WHERE series_id = ?1),
  (first, first_step) =
    (SELECT value, step FROM metrics WHERE series_id = ?1 ORDER BY step LIMIT 1),
  (last, last_step) =
    (SELECT value, step FROM metrics WHERE series_id = ?1 ORDER BY step DESC LIMIT 1),
  (minimum, minimum_step, minimum_epoch) =
    (SELECT value, step, epoch FROM metrics
     WHERE series_id = ?1 AND value IS NOT NULL ORDER BY value, step LIMIT 1),
  (maximum, maximum_step, maximum_epoch) =
    (SELECT value, step, epoch FROM metrics
     WHERE series_id = ?1 AND value IS NOT NULL ORDER BY value DESC, step LIMIT 1)
WHERE id = ?1
"""


class Summary(NamedTuple):
    """What a series says about its points, in the order of ADD_SUMMARY's parameters."""

    points: int
    numbers: int
    total: float | None
    first: float | None
    first_step: int | None
    last: float | None
    last_step: int | None
    minimum: float | None
    minimum_step: int | None
    minimum_epoch: int | None
    maximum: float | None
    maximum_step: int | None
    maximum_epoch: int | None


def summarize(steps: Sequence[int], epochs: Sequence[int | None], values: Any) -> Summary:
    """The summary of one or more points at different steps, in any order."""
    import numpy as np  # noqa: PLC0415 - listing must not pay for it

    order = np.argsort(np.asarray(steps, dtype=np.int64), kind="stable")
    ordered = np.asarray(values, dtype=np.float64)[order]
    valid = np.flatnonzero(~np.isnan(ordered))
    numbers = ordered[valid]

    def point(place: Any) -> tuple[float | None, int, int | None]:
        where = order[place]
        epoch = epochs[where]
        return (
            _or_null(float(ordered[place])),
            int(steps[where]),
            None if epoch is None else int(epoch),
        )

    with np.errstate(invalid="ignore", over="ignore"):
        total = _or_null(float(numbers.sum()))
    nothing = (None, None, None)
    return Summary(
        len(ordered),
        len(numbers),
        total,
        *point(0)[:2],
        *point(-1)[:2],
        *(point(valid[numbers.argmin()]) if len(numbers) else nothing),
        *(point(valid[numbers.argmax()]) if len(numbers) else nothing),
    )


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
