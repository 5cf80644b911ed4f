"""The model graph: nodes, their wiring, and the steps that are done with them."""

from engine.graph.concat_node import ConcatNode, PadMode
from engine.graph.descent import Descent, DescentSettings, Precision
from engine.graph.merge_node import MergeNode, MergeStrategy
from engine.graph.model_graph import ModelGraph
from engine.graph.model_node import ModelNode
from engine.graph.node import ComputeNode, GraphNode
from engine.graph.steps import EvalStep, FitStep, TrainStep

__all__ = [
    "ComputeNode",
    "ConcatNode",
    "Descent",
    "DescentSettings",
    "EvalStep",
    "FitStep",
    "GraphNode",
    "MergeNode",
    "MergeStrategy",
    "ModelGraph",
    "ModelNode",
    "PadMode",
    "Precision",
    "TrainStep",
]
