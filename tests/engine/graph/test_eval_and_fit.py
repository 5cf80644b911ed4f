import copy

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, SGDClassifier, SGDRegressor

from engine.batches import BatchView, ExecutionContext, LossCollection
from engine.errors import GraphError, ModelError
from engine.graph import EvalStep, FitStep, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss
from engine.models import ScikitModelWrapper, SequentialMLP
from engine.optimizers import Optimizer


def net():
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(12, 6),
        torch.nn.BatchNorm1d(6),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(6, 3),
    )


def whole(graph, contexts):
    """All samples at once, in order."""
    return next(contexts(graph, batch_size=50, shuffle=False))


class TestEvaluating:
    def test_leaves_no_trace(self, numbers, contexts, weights, assert_same):
        graph = ModelGraph([ModelNode("net", net(), numbers())], Optimizer("adam"))
        step = EvalStep(graph, [AppliedLoss("crossentropy", "net")])
        graph.nodes["net"].module[1].eval()
        before, flags = weights(graph), graph.frozen_state()
        generator = torch.get_rng_state()

        step(whole(graph, contexts))

        assert_same(weights(graph), before)
        assert graph.frozen_state() == flags
        assert torch.equal(torch.get_rng_state(), generator)
        assert all(one.grad is None and one.requires_grad for one in graph.nodes["net"].parameters)

    def test_leaves_no_trace_when_it_fails(self, numbers, contexts):
        def broken(outputs, targets):
            raise ZeroDivisionError

        graph = ModelGraph([ModelNode("net", net(), numbers())], Optimizer("adam"))
        step = EvalStep(graph, [AppliedLoss(broken, "net")])
        flags = graph.frozen_state()

        with pytest.raises(ZeroDivisionError):
            step(whole(graph, contexts))
        assert graph.frozen_state() == flags

    def test_switches_dropout_off_and_records_losses_as_looked_at(self, numbers, contexts):
        module = net()
        plain = copy.deepcopy(module).eval()
        graph = ModelGraph([ModelNode("net", module, numbers())], Optimizer("adam"))
        ctx = whole(graph, contexts)
        EvalStep(graph, [AppliedLoss("crossentropy", "net")])(ctx)

        batch = next(iter(ctx.inputs.values())).batch
        expected = plain(batch.features)
        assert torch.equal(ctx.outputs["net"].outputs, expected)
        (record,) = ctx.losses.values()
        assert record.trainable is None
        assert torch.equal(
            record.auxiliary,
            torch.nn.functional.cross_entropy(expected, batch.targets.squeeze(1)),
        )

    def test_without_losses_there_is_an_empty_collection(self, numbers, contexts):
        graph = ModelGraph([ModelNode("net", net(), numbers())])
        ctx = whole(graph, contexts)
        graph.eval_step(ctx)

        assert isinstance(ctx.losses, LossCollection)
        assert len(ctx.losses) == 0

    def test_only_what_leads_to_the_active_nodes_is_computed(self, numbers, contexts):
        first = ModelNode("first", torch.nn.Linear(12, 2), numbers())
        ModelNode("second", torch.nn.Linear(2, 2), first)
        ModelNode("third", torch.nn.Linear(2, 2), first)
        graph = ModelGraph()
        ctx = whole(graph, contexts)
        EvalStep(graph, active_nodes=["second"])(ctx)

        assert list(ctx.outputs) == ["first", "second"]

    def test_forward_takes_views_batches_and_arrays_and_lets_gradients_flow(
        self, numbers, contexts
    ):
        graph = ModelGraph([ModelNode("net", torch.nn.Linear(12, 3), numbers())])
        ((key, view),) = whole(graph, contexts).inputs.items()
        plain_view = BatchView(view.source, view.role_indices)
        expected = graph.nodes["net"].module(view.batch.features)

        for given in (view, plain_view, view.batch, view.batch.features.numpy()):
            output = graph.forward({key: given})["net"]
            assert torch.equal(output.outputs, expected)
            assert output.outputs.requires_grad


class TestFitting:
    def test_a_forest_is_fitted_once_on_everything_and_frozen(self, numbers, contexts):
        forest = RandomForestClassifier(n_estimators=5, random_state=0)
        graph = ModelGraph([ModelNode("forest", forest, numbers("kind"))])
        ctx = whole(graph, contexts)
        batch = next(iter(ctx.inputs.values())).batch
        expected = RandomForestClassifier(n_estimators=5, random_state=0)
        expected.fit(batch.features, batch.targets.ravel())

        FitStep(graph)(ctx)

        predicted = expected.predict(batch.features)
        assert np.array_equal(ctx.outputs["forest"].outputs, predicted[:, None])
        assert ctx.outputs["forest"].outputs.dtype == predicted.dtype
        assert np.array_equal(ctx.outputs["forest"].targets, batch.targets)
        assert graph.nodes["forest"].is_frozen

    def test_losses_are_looked_at_on_predictions(self, numbers, contexts):
        graph = ModelGraph([ModelNode("line", LinearRegression(), numbers("size"))])
        ctx = whole(graph, contexts)
        FitStep(graph, [AppliedLoss("mse", "line")], freeze_after_fit=False)(ctx)

        (record,) = ctx.losses.values()
        assert float(record.auxiliary) < 1e-8  # the target is the sum of the features
        assert not graph.nodes["line"].is_frozen

    def test_a_transformer_feeds_what_comes_after_it(self, numbers, contexts):
        pca = ModelNode("pca", PCA(n_components=2), numbers("size"))
        line = ModelNode("line", LinearRegression(), pca)
        graph = ModelGraph()
        ctx = whole(graph, contexts)
        FitStep(graph)(ctx)

        x = next(iter(ctx.inputs.values())).batch.features
        assert np.allclose(
            ctx.outputs["pca"].outputs, PCA(n_components=2).fit_transform(x), atol=1e-5
        )
        assert line.model.estimator.coef_.shape == (2,)

    def test_a_frozen_transformer_feeds_a_network_that_is_trained(self, numbers, contexts):
        pca = ModelNode("pca", PCA(n_components=2), numbers("kind"))
        ModelNode("head", torch.nn.Linear(2, 3), pca)
        graph = ModelGraph(optimizer=Optimizer("sgd", opt_kwargs={"lr": 0.1}))
        FitStep(graph, active_nodes=["pca"])(whole(graph, contexts))
        step = TrainStep(graph, [AppliedLoss("crossentropy", "head")])
        before = copy.deepcopy(graph.nodes["head"].module)
        ctx = next(contexts(graph))
        step(ctx)

        components = torch.as_tensor(ctx.outputs["pca"].outputs).float()
        assert torch.equal(ctx.outputs["head"].outputs, before(components))
        assert not torch.equal(graph.nodes["head"].module.weight, before.weight)

    def test_what_follows_an_estimator_is_built_when_that_is_fitted(self, numbers, contexts):
        pca = ModelNode("pca", PCA(n_components=2), numbers("kind"))
        head = ModelNode("head", SequentialMLP(output_shape=(3,)), pca)
        graph = ModelGraph(optimizer=Optimizer("sgd"))
        graph.build()
        assert not graph.is_built
        with pytest.raises(GraphError, match=r"'head' cannot be built before.*FitPhase"):
            TrainStep(graph, [AppliedLoss("crossentropy", "head")])

        ctx = whole(graph, contexts)
        FitStep(graph)(ctx)
        assert graph.is_built
        assert head.input_shape == (2,)
        assert ctx.outputs["head"].outputs.shape == (50, 3)
        TrainStep(graph, [AppliedLoss("crossentropy", "head")])

    def test_frozen_estimators_are_not_fitted_again(self, numbers, contexts):
        graph = ModelGraph([ModelNode("line", LinearRegression(), numbers("size"))])
        FitStep(graph)(whole(graph, contexts))

        with pytest.raises(GraphError, match="nothing to fit: 'line' is frozen"):
            FitStep(graph)

    def test_an_estimator_that_learns_by_batches_only_is_not_fitted(self, numbers):
        by_batch = ScikitModelWrapper(SGDRegressor(), training_mode="partial_fit")
        graph = ModelGraph([ModelNode("line", by_batch, numbers("size"))])

        with pytest.raises(GraphError, match="nothing to fit: 'line' learns by partial_fit only"):
            FitStep(graph)

    def test_a_network_alone_has_nothing_to_fit(self, numbers):
        graph = ModelGraph([ModelNode("net", net(), numbers())])

        with pytest.raises(GraphError, match="nothing to fit: 'net' needs a TrainPhase"):
            FitStep(graph)

    def test_an_unfitted_estimator_says_what_to_do(self, numbers, contexts):
        graph = ModelGraph([ModelNode("line", LinearRegression(), numbers("size"))])

        with pytest.raises(ModelError, match="run a FitPhase first"):
            EvalStep(graph)(whole(graph, contexts))


class TestLearningByBatch:
    def test_partial_fit_learns_from_every_step(self, numbers, contexts):
        model = ScikitModelWrapper(
            SGDClassifier(random_state=0), partial_fit_kwargs={"classes": [0, 1, 2]}
        )
        graph = ModelGraph([ModelNode("sgd", model, numbers("kind"))])
        step = TrainStep(graph, [AppliedLoss(misses, "sgd")])
        expected = SGDClassifier(random_state=0)
        for ctx in contexts(graph):
            step(ctx)
            batch = next(iter(ctx.inputs.values())).batch
            expected.partial_fit(batch.features, batch.targets.ravel(), classes=[0, 1, 2])

        assert np.array_equal(model.estimator.coef_, expected.coef_)
        (record,) = ctx.losses.values()
        assert record.trainable is None
        assert 0 <= float(record.auxiliary) <= 1

    def test_partial_fit_goes_on_beside_an_optimizer(self, numbers, contexts, weights):
        model = ScikitModelWrapper(SGDRegressor(random_state=0))
        ModelNode("sgd", model, numbers("size"))
        ModelNode("net", torch.nn.Linear(12, 1), numbers("size"))
        graph = ModelGraph(optimizer=Optimizer("sgd", opt_kwargs={"lr": 0.01}))
        step = TrainStep(graph, [AppliedLoss("mse", "net"), AppliedLoss("mse", "sgd")])
        expected = SGDRegressor(random_state=0)
        before = weights(graph)
        for ctx in contexts(graph):
            step(ctx)
            batch = ctx.inputs["sgd", graph.nodes["sgd"].upstream_ref].batch
            expected.partial_fit(batch.features, batch.targets.ravel())

        assert np.array_equal(model.estimator.coef_, expected.coef_)
        assert not torch.equal(weights(graph)["net.weight"], before["net.weight"])
        assert [record.trainable is None for record in ctx.losses.values()] == [False, True]


def misses(outputs, targets):
    return (outputs != targets).float()


class TestOneNode:
    def test_trains_with_its_own_optimizer_from_what_the_context_holds(self, numbers, contexts):
        first = ModelNode("first", torch.nn.Linear(12, 4), numbers("size"))
        second = ModelNode("second", torch.nn.Linear(4, 1), first, Optimizer("sgd"))
        graph = ModelGraph()
        loss = AppliedLoss("mse", "second")
        plain = None
        for ctx in contexts(graph):
            graph.eval_step(ctx, active_nodes=["first"])
            if plain is None:
                plain = copy.deepcopy(second.module)
                optimizer = torch.optim.SGD(plain.parameters())
            output = ctx.outputs["first"]
            second.train_step(ctx, [loss, AppliedLoss("mse", "first")])
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(plain(output.outputs), output.targets).backward()
            optimizer.step()

        assert torch.equal(second.module.weight, plain.weight)
        assert set(ctx.outputs) == {"first", "second"}
        assert torch.equal(ctx.outputs["second"].targets, ctx.outputs["first"].targets)

    def test_refuses_when_frozen_or_without_optimizer(self, numbers, contexts):
        node = ModelNode("net", torch.nn.Linear(12, 1), numbers("size"))
        graph = ModelGraph()
        ctx = whole(graph, contexts)

        with pytest.raises(ValueError, match="no optimizer of its own"):
            node.train_step(ctx, [])
        node.freeze()
        with pytest.raises(GraphError, match="is frozen"):
            node.train_step(ctx, [])

    def test_maps_batches_samples_and_arrays_to_their_like(self, numbers, contexts):
        node = ModelNode("net", torch.nn.Linear(12, 1), numbers("size"))
        graph = ModelGraph()
        graph.build()
        batch = next(iter(whole(graph, contexts).inputs.values())).batch

        made = node(batch)
        assert made.batch_size == 50
        assert torch.equal(made.outputs, node(batch.features))
        assert torch.equal(node(batch.role_data).outputs, made.outputs)
        assert torch.equal(made.targets, batch.targets)

    def test_fits_alone(self, numbers, contexts):
        node = ModelNode("line", LinearRegression(), numbers("size"))
        graph = ModelGraph()
        ctx = whole(graph, contexts)
        node.fit_step(ctx)

        assert node.model.is_fitted
        node.unfreeze()
        node.eval_step(ctx, [AppliedLoss("mse", "line")])
        assert float(ctx.losses.auxiliary) < 1e-8


def test_the_context_may_be_made_by_hand(numbers):
    graph = ModelGraph([ModelNode("net", torch.nn.Linear(12, 1), numbers("size"))])
    graph.build()
    reference = graph.nodes["net"].upstream_ref
    ctx = ExecutionContext("mine", 0, 0, {("net", reference): np.zeros((3, 12), np.float32)})
    graph.eval_step(ctx)

    assert ctx.outputs["net"].outputs.shape == (3, 1)
