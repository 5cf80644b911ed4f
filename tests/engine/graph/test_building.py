import pytest
import torch

from engine.context import ExperimentContext
from engine.errors import GraphError, ModelError
from engine.features import FeatureSet
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.models import SequentialCNN, SequentialMLP, TorchModelWrapper


class LateNet(torch.nn.Module):
    """Made when the shapes are known."""

    def __init__(self, input_shape, output_shape, width=7):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(input_shape[0], width), torch.nn.Linear(width, output_shape[0])
        )

    def forward(self, x):
        return self.layers(x)


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.LSTM(12, 4)

    def forward(self, x):
        return self.layer(x)


class TestShapes:
    def test_follow_from_the_data_through_the_graph(self, digits, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 5), numbers())
        other = ModelNode("other", torch.nn.Flatten(), digits.reference(features="image"))
        both = ConcatNode("both", [first, other])
        last = ModelNode("last", torch.nn.LazyLinear(3), both)
        graph = ModelGraph()

        assert not graph.is_built
        graph.build()

        assert graph.is_built
        assert (first.input_shape, first.output_shape) == ((12,), (5,))
        assert (other.input_shape, other.output_shape) == ((1, 8, 8), (64,))
        assert (both.input_shapes, both.output_shape) == ([(5,), (64,)], (69,))
        assert (last.input_shape, last.output_shape) == ((69,), (3,))
        assert last.module.weight.shape == (3, 69)

    def test_a_class_is_made_for_the_shapes_of_features_and_targets(self, numbers):
        node = ModelNode(
            "net",
            TorchModelWrapper(model_class=LateNet, model_kwargs={"width": 9}),
            numbers("pair"),
        )
        ModelGraph([node]).build()

        assert [tuple(one.shape) for one in node.module.parameters()] == [
            (9, 12),
            (9,),
            (2, 9),
            (2,),
        ]

    def test_ready_made_networks_wait_for_their_shapes(self, digits, numbers):
        mlp = ModelNode(
            "mlp", SequentialMLP(n_layers=3, hidden_dim=5, dropout=0.1), numbers("size")
        )
        image = digits.reference(features="image", targets="pair")
        cnn = ModelNode("cnn", SequentialCNN(pooling=2), image)
        ModelGraph().build()

        assert mlp.output_shape == (1,)
        assert cnn.output_shape == (2,)

    def test_class_targets_do_not_say_how_many_outputs_there_are(self, numbers):
        ModelNode("mlp", SequentialMLP(), numbers("kind"))

        with pytest.raises(
            GraphError, match=r"digits -> mlp.*cannot be built without output_shape.*give it when"
        ):
            ModelGraph().build()

    def test_given_output_shapes_win_over_the_targets(self, numbers):
        node = ModelNode("mlp", SequentialMLP(output_shape=(3,)), numbers("pair"))
        ModelGraph().build()

        assert node.output_shape == (3,)

    def test_whole_numbers_are_cast_only_for_models_that_need_it(self):
        counts = FeatureSet.from_dict(
            "counts", {"a": [1, 2, 3], "y": [0.0, 1.0, 0.5]}, feature_keys="a", target_keys="y"
        )
        words = ModelNode("words", torch.nn.Embedding(10, 4), counts)
        line = ModelNode("line", torch.nn.Linear(1, 1), counts)
        double = ModelNode("double", torch.nn.Linear(1, 1).double(), counts)
        ModelGraph().build()

        assert words.output_shape == (1, 4)
        assert line.output_shape == (1,)
        assert double.compute([torch.ones(2, 1)]).dtype is torch.float64


class TestWeights:
    def weight(self, seed, label="net"):
        with ExperimentContext().activate() as context:
            data = FeatureSet.from_dict("data", {"a": [1.0], "y": [1.0]}, "a", "y")
            context.set_experiment(Seeded(seed))
            node = ModelNode(label, SequentialMLP(), data)
            ModelGraph().build()
            return node.module.layers[1].weight.detach().clone()

    def test_are_drawn_from_the_experiments_seed_and_the_label(self):
        torch.manual_seed(0)
        first = self.weight(3)
        torch.manual_seed(1)

        assert torch.equal(self.weight(3), first)
        assert not torch.equal(self.weight(4), first)
        assert not torch.equal(self.weight(3, "other"), first)

    def test_leave_the_callers_generator_alone(self):
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        self.weight(3)

        assert torch.equal(torch.rand(1), expected)

    def test_building_again_changes_nothing_unless_forced(self, numbers):
        node = ModelNode("mlp", SequentialMLP(), numbers("size"))
        graph = ModelGraph()
        graph.build()
        module = node.module.layers
        graph.build()
        assert node.module.layers is module
        graph.build(force=True)
        assert node.module.layers is not module


class Seeded:
    def __init__(self, seed):
        self.seed = seed


class TestProbing:
    def test_leaves_statistics_and_modes_alone(self, numbers):
        norm = torch.nn.BatchNorm1d(12)
        net = torch.nn.Sequential(norm, torch.nn.Dropout())
        net[1].eval()
        ModelNode("net", net, numbers())
        ModelGraph().build()

        assert norm.num_batches_tracked == 0
        assert net.training
        assert norm.training
        assert not net[1].training

    def test_works_with_a_single_sample(self):
        data = FeatureSet.from_dict("one", {"a": [1.0], "y": [2.0]}, "a", "y")
        node = ModelNode("net", torch.nn.Linear(1, 1), data)
        ModelGraph().build()

        assert node.output_shape == (1,)


class TestMisfits:
    def test_between_nodes_show_the_way_and_both_shapes(self, numbers):
        encoder = ModelNode("encoder", torch.nn.Linear(12, 32), numbers())
        ModelNode("head", torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(10, 3)), encoder)

        with pytest.raises(GraphError) as caught:
            ModelGraph().build()

        text = str(caught.value)
        assert "'head' cannot take what 'encoder' gives (digits -> encoder -> head)" in text
        assert "(32,)" in text
        assert "in_features=10" in text

    def test_between_a_feature_set_and_a_node(self, numbers):
        ModelNode("net", torch.nn.Linear(8, 3), numbers())

        with pytest.raises(GraphError, match=r"\(digits -> net\).*\(12,\).*in_features=8"):
            ModelGraph().build()

    def test_of_shape_are_not_hidden_by_the_type(self):
        counts = FeatureSet.from_dict("counts", {"a": [1, 2]}, "a", [])
        ModelNode("net", torch.nn.Linear(8, 3), counts)

        with pytest.raises(GraphError, match="shapes cannot be multiplied"):
            ModelGraph().build()

    def test_of_inputs_to_a_merge(self, digits, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 5), numbers())
        image = ModelNode("image", torch.nn.Identity(), digits.reference(features="image"))
        ConcatNode("both", [first, image])

        with pytest.raises(GraphError, match=r"first \(5,\), image \(1, 8, 8\)"):
            ModelGraph().build()

    def test_a_model_that_returns_several_things(self, numbers):
        ModelNode("net", Recurrent(), numbers())

        with pytest.raises(GraphError, match="returns a tuple"):
            ModelGraph().build()

    def test_a_model_that_mixes_its_samples(self, numbers):
        ModelNode("net", torch.nn.Flatten(0), numbers())

        with pytest.raises(GraphError, match="one row per sample"):
            ModelGraph().build()

    def test_arguments_that_a_class_does_not_take(self):
        with pytest.raises(ModelError, match="Did you mean 'width'"):
            TorchModelWrapper(model_class=LateNet, model_kwargs={"widht": 3})


class TestWiring:
    def test_a_circle_is_refused_and_shown(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 12), numbers())
        second = ModelNode("second", torch.nn.Linear(12, 12), first)
        third = ModelNode("third", torch.nn.Linear(12, 12), second)
        first.set_upstream_refs([third])

        with pytest.raises(GraphError, match="first -> second -> third -> first"):
            ModelGraph()

    def test_an_input_from_outside_is_refused(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 12), numbers())
        second = ModelNode("second", torch.nn.Linear(12, 12), first)

        with pytest.raises(GraphError, match="'second' takes its input from 'first'"):
            ModelGraph([second])

    def test_a_model_takes_one_input(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 12), numbers())

        with pytest.raises(GraphError, match="merge node"):
            first.add_upstream_ref(numbers("size"))

    def test_nothing_can_be_its_own_input(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 12), numbers())
        first.clear_upstream_refs()

        with pytest.raises(GraphError, match="own input"):
            first.add_upstream_ref(first)

    def test_a_node_that_could_not_be_made_is_not_registered(self, context):
        with pytest.raises(GraphError):
            ModelNode("net", torch.nn.Linear(1, 1), 5)

        assert context.available_nodes == {}

    def test_heads_and_tails(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 2), numbers())
        ModelNode("second", torch.nn.Linear(2, 2), first)
        ModelNode("third", torch.nn.Linear(2, 2), "first")
        graph = ModelGraph()

        assert list(graph.head_nodes) == ["first"]
        assert list(graph.tail_nodes) == ["second", "third"]
        assert [one.node_label for one in first.get_downstream_refs()] == ["second", "third"]
        assert graph.nodes["third"].upstream_ref.node_label == "first"
