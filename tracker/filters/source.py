"""The text of a filter: read by Python's parser, and shown in every refusal."""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tracker.errors import FilterError

# Far beyond what anybody types, and well within what SQLite and the parser can take.
MAX_LENGTH = 10_000
MAX_DEPTH = 12
MAX_TERMS = 200
MAX_ITEMS = 500

SHOWN = 60  # characters of the text that a message shows at most

# What other languages write, and where Python's parser stops at it.
_HABITS = {
    "&&": "write `and` instead of &&",
    "||": "write `or` instead of ||",
    "<>": "write != instead of <>",
    "===": "write == instead of ===",
    "==": "write == instead of ===",
    "=": "write == to compare",
    "!": "write `not` instead of !",
}


class Source:
    """One text, how deep the reader is in it, and how much of it was read."""

    def __init__(self, text: str) -> None:
        self.text = text
        # On one line, every column is a place in the text.
        line = "".join(" " if letter.isspace() else letter for letter in text)
        # Python takes blanks at the beginning for a wrong indentation.
        self._line = line.strip()
        self._shift = len(line) - len(line.lstrip())
        self._depth = self._terms = self._items = 0

    def tree(self) -> ast.expr:
        """Python's tree of the text, in which everything is still possible."""
        self._check_letters()
        try:
            with warnings.catch_warnings():
                # The "\d" of a pattern is what its writer meant.
                warnings.simplefilter("ignore")
                tree = ast.parse(self._line, mode="eval").body
        except SyntaxError as error:
            raise self._syntax_error(error) from error
        except (MemoryError, RecursionError) as error:
            raise self.refuse("This is nested too deeply.", 1) from error
        self._check_comments()
        return tree

    def at(self, node: ast.expr) -> int:
        """The column where the node begins, counted from 1."""
        before = self._line.encode()[: node.col_offset]
        return self._shift + len(before.decode()) + 1

    def refuse(self, message: str, place: ast.expr | int) -> FilterError:
        """The error to raise: one line that shows the place."""
        at = place if isinstance(place, int) else self.at(place)
        return FilterError(f"{self._around(at)}, column {at}: {message}")

    @contextmanager
    def deeper(self, node: ast.expr) -> Iterator[None]:
        """One level down, for as long as the block lasts."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.refuse(f"At most {MAX_DEPTH} levels can be nested.", node)
        yield
        self._depth -= 1

    def count_term(self, node: ast.expr) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self.refuse(f"At most {MAX_TERMS} comparisons can be combined.", node)

    def count_item(self, node: ast.expr) -> None:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise self.refuse(f"At most {MAX_ITEMS} items can be listed.", node)

    def _check_letters(self) -> None:
        if not self.text.strip():
            raise self.refuse("There is nothing here.", 1)
        if len(self.text) > MAX_LENGTH:
            message = f"At most {MAX_LENGTH} characters are read; these are {len(self.text)}."
            raise self.refuse(message, MAX_LENGTH + 1)
        for place, letter in enumerate(self.text, start=1):
            if not storable(letter):
                raise self.refuse(f"{letter!r} cannot be used.", place)

    def _check_comments(self) -> None:
        """Python drops comments in silence: what stands in one would not count."""
        if "#" not in self._line:
            return
        for token in tokenize.generate_tokens(io.StringIO(self._line).readline):
            if token.type == tokenize.COMMENT:
                raise self.refuse("A comment cannot be used.", self._shift + token.start[1] + 1)

    def _syntax_error(self, error: SyntaxError) -> FilterError:
        """What Python's parser says, in the words of filters where it says nothing."""
        # Offset 0 stands for the end, None for no place at all.
        end = len(self._line) + 1
        column = min(1 if error.offset is None else error.offset or end, end)
        reason = error.msg.partition("; ")[0].removesuffix(" (detected at line 1)")
        if reason.startswith("invalid syntax"):
            rest = self._line[max(column - 2, 0) :]
            habits = (words for sign, words in _HABITS.items() if rest[:3].strip().startswith(sign))
            reason = next(habits, "this cannot be read from here on")
            reason = "something is missing at the end" if column == end else reason
        return self.refuse(f"{reason[:1].upper()}{reason[1:]}.", self._shift + column)

    def _around(self, at: int) -> str:
        start = max(0, min(at - 1 - SHOWN // 2, len(self.text) - SHOWN))
        part = self.text[start : start + SHOWN]
        before = "..." if start else ""
        after = "..." if start + SHOWN < len(self.text) else ""
        # repr: no line break or control character of the text gets into the message.
        return repr(f"{before}{part}{after}")


def storable(letter: str) -> bool:
    """Whether SQLite can hold and compare the letter: no NUL, no half of a surrogate pair."""
    return letter != "\0" and not "\ud800" <= letter <= "\udfff"
