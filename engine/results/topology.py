"""How the nodes that made results hang together."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Topology:
    """The part of a graph's form that results need, so that they need no graph."""

    # The head nodes that lead to each node: its samples are theirs.
    heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # The inputs whose targets reach each node, in order: head node and feature set. None where a
    # merge has made one of them that has no scale of its own.
    targets: Mapping[str, tuple[tuple[str, str], ...] | None] = field(default_factory=dict)
    # The nodes whose outputs no other node takes in.
    tails: tuple[str, ...] = ()
