"""A report as one HTML page that needs nothing beside itself."""

import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tracker.reports.contents import Report

# What an SVG says beside the picture itself.
_BESIDE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)


def page(report: Report) -> str:
    """The whole page; every word that comes from a user is escaped. Nothing in it can run."""
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"cell": cell, "picture": picture, "is_number": is_number}
    return environment.from_string(text).render(report=report)


def cell(value: Any) -> str:
    """A value as the page shows it: six significant digits, nothing where it is missing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {cell(of)}" for key, of in value.items())
    return str(value)


def is_number(value: Any) -> bool:
    """Whether a cell stands at the right, with the other digits."""
    return isinstance(value, int | float) and not (isinstance(value, float) and math.isnan(value))


def picture(svg: str) -> Markup:
    """An SVG that matplotlib drew, to stand inside a page: no prologue, no comments."""
    # Letters are paths in it, so that no word of a user is left.
    return Markup(_BESIDE.sub("", svg).strip())  # noqa: S704 - drawn by us, checked by a test
