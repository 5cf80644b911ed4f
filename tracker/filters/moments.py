"""Moments and durations from words: dates, parts of dates, `2 days ago`, `90 minutes`."""

import re
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"([ T](?P<hour>\d\d)(:(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d{1,6}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?"
)
_AMOUNT = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?) ?(?P<unit>[a-z]+)")
_INSTANT = timedelta(microseconds=1)
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
_MONTHS = {"month": 1, "months": 1, "year": 12, "years": 12}


class Span(NamedTuple):
    """The time that a text stands for: `2026-01` is a whole month. `end` is beyond it."""

    start: datetime
    end: datetime


def read_span(text: str, now: datetime) -> Span | None:
    """The time meant by the text, or None if it means none.

    A date without a zone is local time. `now` decides what `today`, `yesterday` and
    `2 days ago` mean; the latter is an instant.
    """
    words = " ".join(text.lower().split())
    try:
        if words in ("today", "yesterday"):
            today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            day = timedelta(days=1)
            first = today if words == "today" else today - day
            return Span(_local(first), _local(first + day))
        if words == "now" or words.endswith(" ago"):
            return _ago(words, now)
        return _date(text.strip())
    except (ValueError, OverflowError):  # the 31st of February, a year beyond the calendar
        return None


def read_seconds(text: str) -> float | None:
    """How long `90 minutes` or `2h` is, or None if the text is no duration."""
    amount = _AMOUNT.fullmatch(" ".join(text.lower().split()))
    if amount is None or amount["unit"] not in _SECONDS:
        return None
    return float(amount["number"]) * _SECONDS[amount["unit"]]


def _ago(words: str, now: datetime) -> Span | None:
    if words == "now":
        return Span(now, now + _INSTANT)
    amount = words.removesuffix(" ago")
    seconds = read_seconds(amount)
    if seconds is not None:
        moment = now - timedelta(seconds=seconds)
        return Span(moment, moment + _INSTANT)
    calendar = re.fullmatch(r"(\d{1,4}) ?(months?|years?)", amount)
    if calendar is None:
        return None
    moment = _local(_plus_months(_wall(now), -int(calendar[1]) * _MONTHS[calendar[2]]))
    return Span(moment, moment + _INSTANT)


def _date(text: str) -> Span | None:
    date = _DATE.fullmatch(text)
    if date is None:
        return None
    part = {
        name: int(value) for name, value in date.groupdict().items() if name != "zone" and value
    }
    if date["fraction"]:
        part["fraction"] = int(date["fraction"].ljust(6, "0"))
    start = datetime(  # noqa: DTZ001 - the wall clock's; its zone comes last
        part["year"], part.get("month", 1), part.get("day", 1),
        part.get("hour", 0), part.get("minute", 0), part.get("second", 0), part.get("fraction", 0),
    )  # fmt: skip
    zone = _zone(date["zone"])
    return Span(_local(start, zone), _local(_end(start, part), zone))


def _end(start: datetime, part: dict[str, int]) -> datetime:
    if "fraction" in part:
        return start + _INSTANT
    for name in ("second", "minute", "hour", "day"):
        if name in part:
            return start + timedelta(**{f"{name}s": 1})
    return _plus_months(start, 1 if "month" in part else 12)


def _plus_months(wall: datetime, months: int) -> datetime:
    """The same day of another month, or its last day where it is shorter."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    for day in range(wall.day, wall.day - 4, -1):
        try:
            return wall.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise ValueError(year)


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    return datetime.strptime(text, "%z").tzinfo


def _wall(moment: datetime) -> datetime:
    return moment.astimezone().replace(tzinfo=None)


def _local(wall: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment at which a clock in the zone, by default this machine's, shows `wall`."""
    return wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
