import pytest
import torch

from engine.context import ExperimentContext
from engine.errors import GraphError, LabelTakenError
from engine.graph import ConcatNode, MergeStrategy, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss
from engine.models import SequentialMLP, TorchModelWrapper
from engine.optimizers import Optimizer


@pytest.fixture
def chain(numbers):
    """a -> b -> c, each from 12 numbers to 12, then d to one."""
    a = ModelNode("a", torch.nn.Linear(12, 12), numbers("size"))
    b = ModelNode("b", torch.nn.Linear(12, 12), a)
    c = ModelNode("c", torch.nn.Linear(12, 12), b)
    return ModelGraph([a, b, c], Optimizer("adam"))


def wires(graph):
    return {
        label: [one.node_label for one in node.get_upstream_refs()]
        for label, node in graph.nodes.items()
    }


def new(label, upstream):
    return ModelNode(label, torch.nn.Linear(12, 12), upstream)


class TestEditing:
    def test_add(self, chain, numbers):
        assert chain.add_node(new("d", "a")) is chain
        assert wires(chain)["d"] == ["a"]
        assert chain.order == ["a", "b", "c", "d"]

    def test_insert_after_leaves_other_connections(self, chain, numbers):
        chain.insert_node_after(new("d", numbers()), upstream="a")
        assert wires(chain) == {"a": ["digits"], "b": ["a"], "c": ["b"], "d": ["a"]}

    def test_insert_before_takes_over_the_inputs(self, chain, numbers):
        chain.insert_node_before(new("d", numbers()), downstream="a")
        assert wires(chain) == {"a": ["d"], "b": ["a"], "c": ["b"], "d": ["digits"]}
        assert chain.order == ["d", "a", "b", "c"]

    def test_insert_between(self, chain, numbers):
        chain.insert_node_between(new("d", numbers()), upstream="a", downstream="b")
        assert wires(chain) == {"a": ["digits"], "b": ["d"], "c": ["b"], "d": ["a"]}
        with pytest.raises(GraphError, match="'a' does not feed 'c'"):
            chain.insert_node_between(new("e", numbers()), upstream="a", downstream="c")

    def test_remove_connects_what_was_around(self, chain):
        chain.remove_node("b")
        assert wires(chain) == {"a": ["digits"], "c": ["a"]}

    def test_replace_keeps_the_place(self, chain, numbers):
        chain.replace_node("b", new("d", numbers()))
        assert wires(chain) == {"a": ["digits"], "d": ["a"], "c": ["d"]}

    def test_removing_a_merge_before_a_model_is_refused_and_undone(self, numbers):
        a = ModelNode("a", torch.nn.Linear(12, 2), numbers())
        b = ModelNode("b", torch.nn.Linear(12, 2), numbers())
        both = ConcatNode("both", [a, b])
        ModelNode("c", torch.nn.Linear(4, 1), both)
        graph = ModelGraph()
        before = wires(graph)

        with pytest.raises(GraphError, match="needs a merge node"):
            graph.remove_node("both")
        assert wires(graph) == before

    def test_a_change_that_makes_a_circle_is_undone(self, chain, numbers):
        loop = new("d", "c")
        before = wires(chain)
        chain.nodes["a"].set_upstream_refs([loop])
        with pytest.raises(GraphError, match="circle"):
            chain.add_node(loop)
        chain.nodes["a"].set_upstream_refs([numbers("size")])
        assert wires(chain) == before

    def test_taken_labels_are_refused(self, chain, numbers):
        context = ExperimentContext.get_active()
        with context.use_policy("overwrite"):
            double = new("b", numbers())
        with pytest.raises(LabelTakenError, match="'b'"):
            chain.add_node(double)
        with pytest.raises(LabelTakenError, match="'b'"):
            chain.replace_node("a", double)
        assert wires(chain) == {"a": ["digits"], "b": ["a"], "c": ["b"]}

    def test_unknown_nodes_suggest_the_nearest(self, numbers):
        encoder = ModelNode("encoder", torch.nn.Linear(12, 12), numbers())
        with pytest.raises(KeyError, match="Did you mean 'encoder'"):
            ModelGraph([encoder]).remove_node("encodr")


class TestWhatWasLearned:
    def test_stays_with_the_other_nodes_moments_included(self, chain, numbers, contexts):
        step = TrainStep(chain, [AppliedLoss("mse", "c", ["outputs", "a.outputs"])])
        for ctx in contexts(chain):
            step(ctx)
        weight = chain.nodes["a"].module.weight
        kept, moments = weight.detach().clone(), chain.optimizer.instance.state[weight]["exp_avg"]

        chain.replace_node("b", new("d", numbers()))
        chain.build()

        assert torch.equal(weight, kept)
        state = chain.optimizer.instance.state
        assert state[weight]["exp_avg"] is moments
        assert chain.nodes["d"].module.weight not in state
        assert len(chain.optimizer.parameters) == 6

    def test_training_goes_on_with_the_new_node(self, chain, numbers, contexts):
        losses = [AppliedLoss("mse", "c", ["outputs", "a.outputs"])]
        for ctx in contexts(chain):
            chain.train_step(ctx, losses)
        fresh = new("d", numbers())
        chain.replace_node("b", fresh)
        before = fresh.module.weight.detach().clone()
        for ctx in contexts(chain):
            chain.train_step(ctx, losses)

        assert not torch.equal(fresh.module.weight, before)


class TestConfiguration:
    def test_an_equal_graph_is_made_from_it(self, digits, numbers):
        first = ModelNode("first", SequentialMLP(output_shape=(4,)), numbers("size"), None)
        wrapped = TorchModelWrapper(
            model_class=torch.nn.Linear,
            model_kwargs={"in_features": 64, "out_features": 2},
        )
        flat = ModelNode("flat", TorchModelWrapper(model_class=torch.nn.Flatten), "digits")
        flat.set_upstream_refs([digits.reference(features="image", targets="size")])
        other = ModelNode("other", wrapped, flat)
        both = ConcatNode(
            "both", [first, other], concat_axis_targets="first", concat_axis_tags=other
        )
        ModelNode("last", SequentialMLP(), both)
        graph = ModelGraph(optimizer=Optimizer("adam", opt_kwargs={"lr": 0.5}), label="mine")
        graph.build()
        config = graph.get_config()

        context = ExperimentContext()
        context.register_experiment_node(digits)
        with context.activate():
            again = ModelGraph.from_config(config)
            assert context.model_graph is again
            again.build()

        assert again.get_config() == config
        assert wires(again) == wires(graph)
        assert again.nodes["both"].target_strategy is MergeStrategy.FIRST
        assert again.nodes["both"].tags_strategy.node_label == "other"
        assert again.optimizer.instance.param_groups[0]["lr"] == 0.5
        again.set_state(graph.get_state())

    def test_a_module_made_beforehand_goes_in_as_it_is_and_comes_back_alone(self, numbers):
        module = torch.nn.Linear(12, 1)
        ModelNode("net", module, numbers())
        config = ModelGraph().get_config()
        with ExperimentContext().activate():
            again = ModelGraph.from_config(config).nodes["net"].module
        assert again is not module
        assert torch.equal(again.weight, module.weight)

    def test_only_nodes_are_made_from_it(self):
        with pytest.raises(GraphError, match="is not a node"):
            ModelGraph.from_config(
                {"label": "x", "nodes": [{"class": "os:PathLike", "config": {}}], "optimizer": None}
            )


class TestShowing:
    @pytest.fixture
    def graph(self, numbers):
        first = ModelNode("en<c>oder", SequentialMLP(output_shape=(4,)), numbers("size"))
        ModelNode("head", torch.nn.Linear(4, 1), first)
        return ModelGraph(optimizer=Optimizer("adam"))

    def test_what_is_not_built_yet_is_called_by_its_class_too(self, graph):
        ModelNode("late", TorchModelWrapper(model_class=torch.nn.Bilinear), "head")

        assert ModelNode("other", torch.nn.LazyLinear(3), "head").model_name == "LazyLinear"
        assert "en<c>oder  SequentialMLP" in graph.summary()
        assert graph.ctx.get_node("late").model_name == "Bilinear"

    def test_a_summary_has_a_line_for_each_node(self, graph):
        graph.build()
        graph.freeze(["head"])

        assert graph.summary() == (
            "model-graph (optimizer: Optimizer(Adam))\n"
            "node       model            input      in     out   parameters\n"
            "---------  ---------------  ---------  -----  ----  ----------\n"
            "en<c>oder  SequentialMLP    digits     (12,)  (4,)  548\n"
            "head       Linear (frozen)  en<c>oder  (4,)   (1,)  5"
        )

    def test_a_merge_node_shows_the_shapes_that_it_joins(self, graph):
        head = ModelNode("wide", torch.nn.Linear(4, 3), "en<c>oder")
        graph.add_node(head).add_node(ConcatNode("both", ["head", "wide"]))
        graph.build()

        assert graph.summary().splitlines()[-1] == (
            "both       ConcatNode     head, wide  (1,), (3,)  (4,)  -"
        )

    def test_a_notebook_draws_a_graph(self, graph):
        assert graph._repr_markdown_() == f"```mermaid\n{graph.visualize()}\n```"

    def test_a_diagram_shows_boxes_arrows_and_what_is_frozen(self, graph):
        graph.freeze(["head"])
        graph.build()
        diagram = graph.visualize(show_targets=True)

        assert diagram == (
            "flowchart LR\n"
            '    n0[("digits<br/>targets: size.raw")]\n'
            '    n1["en&lt;c&gt;oder<br/>SequentialMLP"]\n'
            '    n2["head<br/>Linear<br/>frozen"]:::frozen\n'
            "    n0 --> n1\n"
            "    n1 --> n2\n"
            "    classDef frozen opacity:0.6,stroke-dasharray:4"
        )
        assert diagram._repr_markdown_() == f"```mermaid\n{diagram}\n```"

    def test_splits_are_shown_on_demand(self, graph, digits):
        digits.split_random({"train": 0.5, "test": 0.5})

        assert "splits: train, test" in graph.visualize(show_splits=True)
        assert "splits" not in graph.visualize()
        assert "frozen" not in graph.visualize(show_frozen=False)
