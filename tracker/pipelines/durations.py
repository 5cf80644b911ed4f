"""Lengths of time as people write them."""

import math
import re

from tracker.errors import InvalidError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)


def parse_duration(value: str | float) -> float:
    """Seconds: `90s`, `10m`, `1.5h`, `1h30m`, or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value).strip()
        parts = _PART.findall(text)
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif parts and not _PART.sub("", text).strip():
            seconds = sum(float(amount) * _UNITS[unit.lower()] for amount, unit in parts)
        else:
            seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidError(f"{value!r} is no length of time; write it as 90s, 10m or 1h30m.")
    return seconds
