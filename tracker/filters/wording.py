"""How a filter writes the name of a parameter or a metric, so that it is read again."""

import json
from keyword import iskeyword
from unicodedata import normalize


def parameter(key: str) -> str:
    """`params.model.depth`, or `params["a/b"]` where the key is no dotted name."""
    return f"params.{key}" if _dotted(key) else f"params[{_quoted(key)}]"


def metric(name: str) -> str:
    """`metrics.val_loss`, or `metrics["val/loss"]`: the last value."""
    return f"metrics.{name}" if _dotted(name) else f"metrics[{_quoted(name)}]"


def call(function: str, name: str) -> str:
    """`best(val_loss)`, or `best("val/loss")`."""
    return f"{function}({name if _dotted(name) else _quoted(name)})"


def _dotted(name: str) -> bool:
    # Python reads identifiers in their NFKC form.
    return normalize("NFKC", name) == name and all(
        part.isidentifier() and not iskeyword(part) for part in name.split(".")
    )


def _quoted(name: str) -> str:
    # Every escape of JSON is one of Python's.
    return json.dumps(name, ensure_ascii=False)
