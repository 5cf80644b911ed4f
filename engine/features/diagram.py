"""A feature set as a picture: its columns, its splits, and what they share."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from engine.features.schema import DOMAINS, TAGS
from engine.features.showing import counted, listed, named_with_shape

if TYPE_CHECKING:
    from engine.features.feature_set import FeatureSet
    from engine.features.view import FeatureSetView


class Diagram(str):
    """Mermaid text; notebooks draw it."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self}\n```"


def mermaid(
    feature_set: "FeatureSet",
    domains: Sequence[str],
    *,
    tags_on_splits: bool,
    show_overlaps: bool,
) -> Diagram:
    """The set as a box, an arrow to each split, a dotted line where splits share samples."""
    lines = ["flowchart LR", f'    root[("{_text(feature_set.to_view(), domains)}")]']
    on_splits = [domain for domain in domains if domain != TAGS or tags_on_splits]
    splits = list(feature_set.splits.values())
    for place, split in enumerate(splits):
        lines.append(f'    root --> s{place}["{_text(split, on_splits)}"]')
    for (one, first), (other, second) in combinations(enumerate(splits), 2):
        shared = int(first.is_in(second).sum())
        if show_overlaps and shared:
            lines.append(f'    s{one} -. "{shared} shared" .- s{other}')
    return Diagram("\n".join(lines))


def _text(view: "FeatureSetView", domains: Sequence[str]) -> str:
    lines = [escape(str(view.label)), counted(view.n_samples, "samples")]
    for domain in DOMAINS:
        columns = [named_with_shape(view, column) for column in view.index.of_domain(domain)]
        if domain in domains and columns:
            lines.append(f"{domain}: {escape(listed(columns))}")
    return "<br/>".join(lines)


def escape(text: str) -> str:
    """Text that Mermaid shows as it is."""
    for character, entity in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
