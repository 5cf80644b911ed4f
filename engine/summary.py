"""What a thing says about itself: a table in a box, as plain text."""

from collections.abc import Mapping
from textwrap import wrap


def boxed(title: str, rows: Mapping[str, str], max_width: int = 88) -> str:
    """Names on the left, what there is to say on the right, folded to the width."""
    names = max(map(len, rows), default=0)
    room = max(max_width - names - 6, 16)
    lines = []
    for name, text in rows.items():
        folded = wrap(text, room) or [""]
        lines += [
            f"{label:<{names}}  {line}"
            for label, line in zip([name, *[""] * (len(folded) - 1)], folded, strict=True)
        ]
    width = max(len(title) + 2, *map(len, lines)) if lines else len(title) + 2
    return "\n".join(
        [
            f"┌ {title} {'─' * (width - len(title))}┐",
            *(f"│ {line:<{width}} │" for line in lines),
            f"└{'─' * (width + 2)}┘",
        ]
    )
