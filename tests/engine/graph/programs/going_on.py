"""Loads a graph from a file, says what it predicts, trains it on, and says what came out."""

import sys
from pathlib import Path

import torch

from engine.graph import ModelGraph
from engine.saving import write_file
from tests.engine.graph.graphs import numbers, outputs, train

torch.set_num_threads(1)


def main(folder):
    for path in sorted(folder.glob("*.graph")):
        graph = ModelGraph.load(path, overwrite=True)
        numbers_were_there = graph.ctx.has_node(label="numbers")
        if not numbers_were_there:
            numbers()
        before = outputs(graph)
        train(graph, [1, 2])
        found = {"before": before, "after": graph.get_state(copy=False)}
        write_file(path.with_suffix(".found"), "found", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
