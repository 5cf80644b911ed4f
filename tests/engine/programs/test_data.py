"""A program that prepares data: selects, splits, scales, and samples pairs and triplets."""

import numpy as np
import pandas as pd
import pytest
import torch

import engine
from engine import (
    AppliedLoss,
    ConditionSplitter,
    Experiment,
    FeatureSet,
    FeatureSetView,
    Loss,
    ModelGraph,
    ModelNode,
    NSampler,
    Optimizer,
    PairedSampler,
    RandomSplitter,
    Scaler,
    SimilarityCondition,
    SimpleSampler,
    SplitOverlapWarning,
    TrainPhase,
    TripletSampler,
)
from engine.batches import BatchView
from engine.scalers import PerSampleMinMaxScaler, SegmentedScaler


@pytest.fixture
def pulses():
    """Forty pulses of five steps in disorder, of eight cells that age."""
    Experiment("data", seed=1)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "cell": f"c{pulse % 8}",
            "cycle": pulse // 8,
            "time": step,
            "voltage": 3 + 0.1 * step + 0.01 * pulse,
            "current": float(pulse % 3 - 1),
            "soh": 100.0 - pulse // 8,
        }
        for pulse in range(40)
        for step in rng.permutation(5)
    )
    return FeatureSet.from_pandas(
        label="pulses",
        df=frame,
        feature_cols=["voltage", "current"],
        target_cols=["soh"],
        group_by=["cell", "cycle"],
        tag_cols=["cell", "cycle"],
        sort_by="time",
    )


class TestSelecting:
    def test_gives_columns_in_the_wanted_form(self, pulses):
        assert (len(pulses), pulses.n_samples) == (40, 40)
        bare = {"include_rep_suffix": False, "include_domain_prefix": False}
        assert pulses.get_feature_keys(**bare) == ["voltage", "current"]
        assert pulses.get_all_keys() == [
            "features.voltage.raw",
            "features.current.raw",
            "targets.soh.raw",
            "tags.cell.raw",
            "tags.cycle.raw",
        ]
        assert pulses.get_feature_shapes(**bare) == {"voltage": (5,), "current": (5,)}
        assert pulses.get_tag_dtypes(**bare)["cycle"] == "int64"
        both = pulses.get_features("np")
        assert both.shape == (40, 2, 5)
        assert (np.diff(both[:, 0]) > 0).all()
        assert torch.equal(pulses.get_features(fmt="torch"), torch.from_numpy(both).float())
        assert list(pulses.get_features(features="volt*")) == ["voltage"]
        mixed = pulses.get_data(columns=["features.voltage.raw", "cell"], targets="soh")
        assert {key: value.shape for key, value in mixed.items()} == {
            "features.voltage.raw": (40, 5),
            "targets.soh.raw": (40, 5),
            "tags.cell.raw": (40,),
        }
        again = FeatureSet.from_pyarrow_table("again", pulses.to_arrow())
        assert again.get_features("np").tolist() == both.tolist()
        assert list(pulses.to_pandas()) == pulses.get_all_keys()
        assert pulses.to_sample_data(fmt="torch").features.shape == (40, 2, 5)
        assert "voltage" in pulses.summary()
        assert str(pulses.visualize()).startswith("flowchart")

    def test_makes_views_that_are_sets_of_rows(self, pulses):
        young = pulses.filter(conditions={"cycle": lambda cycle: cycle < 2}, label="young")
        some = pulses.filter(conditions={"cell": ["c0", "c1"], "cycle": {0, 1, 2}})
        one = pulses.filter(conditions={"cell": "c3"})
        assert isinstance(young, FeatureSetView)
        assert (young.label, len(young), len(some), len(one)) == ("young", 16, 6, 5)
        assert len(young.take_intersection(some)) == 4
        assert len(young.take_difference(some)) == 12
        assert len(young.get_overlap_with(some)) == 4
        assert one.is_disjoint_with(some)
        assert not young.is_disjoint_with(some)
        uuids = young.get_sample_uuids()
        assert (
            young.take_sample_uuids(uuids[::-1]).get_sample_uuids().tolist() == uuids[::-1].tolist()
        )
        narrow = young.select(features="voltage", targets=[], tags=[]).take([3, 0])
        assert narrow.get_all_keys() == ["features.voltage.raw"]
        assert narrow.indices.tolist() == young.indices[[3, 0]].tolist()
        assert narrow.expand_columns().get_all_keys() == pulses.get_all_keys()
        copied = narrow.expand_columns().to_featureset("two")
        assert (copied.label, len(copied)) == ("two", 2)
        rebuilt = FeatureSetView.from_config(narrow.get_config())
        assert rebuilt.get_features("np").tolist() == narrow.get_features("np").tolist()
        rows = FeatureSetView.from_featureset(pulses, rows=np.array([1, 2]), label="rows")
        assert len(rows) == 2


class TestSplitting:
    def test_by_chance_by_groups_and_by_strata(self, pulses):
        ratios = {"train": 0.5, "val": 0.25, "test": 0.25}
        pulses.split_random(ratios, group_by="cell", seed=3)
        cells = [set(pulses[one].get_tags("np", tags="cell").ravel()) for one in ratios]
        assert [len(one) for one in cells] == [4, 2, 2]
        assert pulses.available_splits == list(ratios)
        views = pulses.split_random(
            {"a": 0.5, "b": 0.5}, stratify_by="cell", seed=3, return_views=True, register=False
        )
        assert set(views["a"].get_tags("np", tags="cell").ravel()) == set.union(*cells)
        assert pulses.n_splits == 3
        splitter = RandomSplitter(ratios, seed=9)
        assert isinstance(splitter.get_config(), dict)
        pulses.clear_splits()
        first = pulses.split(splitter, return_views=True)
        again = RandomSplitter.from_config(splitter.get_config()).split(pulses.to_view())
        assert first["test"].indices.tolist() == again["test"].indices.tolist()

    def test_by_conditions_that_may_overlap(self, pulses):
        with pytest.warns(SplitOverlapWarning, match="8 samples"):
            pulses.split(
                ConditionSplitter(
                    young={"cycle": lambda cycle: cycle <= 2}, old={"cycle": [2, 3, 4]}
                )
            )
        assert [len(pulses.get_split(one)) for one in ("young", "old")] == [24, 24]
        pulses.clear_splits()
        pulses.split_by_condition({"first": {"cell": "c0", "cycle": 0}})
        assert len(pulses.splits["first"]) == 1
        pulses.add_split(pulses.take([39], label="last"))
        assert "last" in pulses.available_splits


class TestScaling:
    def test_keeps_raw_and_scaled_columns_side_by_side(self, pulses):
        pulses.split_random({"train": 0.6, "test": 0.4}, seed=2)
        raw = pulses.get_features("np", features="voltage", rep="raw")
        pulses.fit_transform(
            Scaler("MinMaxScaler", scaler_kwargs={"feature_range": (0, 1)}),
            domain="features",
            keys="voltage",
            fit_to_split="train",
            merged_axes=(0, 1),
        )
        scaled = pulses.get_features("np", features="voltage", rep="transformed")
        train = pulses["train"].get_features("np", features="voltage", rep="transformed")
        assert (train.min(), train.max()) == (0, 1)
        pulses.fit_transform(PerSampleMinMaxScaler((-1, 1)), domain="features", keys="voltage")
        pulses.fit_transform(engine.scalers.Negate(), domain="features", keys=["voltage"])
        newest = pulses.get_features("np", features="voltage")
        assert (newest.min(), newest.max()) == (-1, 1)
        names = [
            one.scaler_obj.name
            for one in pulses.iter_scalers_on_cols(domain="features", columns="voltage")
        ]
        assert names == ["Negate", "PerSampleMinMaxScaler", "MinMaxScaler"]

        pulses.undo_last_transform("features", "voltage")
        pulses.undo_last_transform(domain="features", keys="voltage")
        assert np.allclose(pulses.get_features("np", features="voltage"), scaled)
        back = pulses.unscale_data_for_cols(data=scaled, domain="features", columns="voltage")
        assert np.allclose(back, raw)
        other = pulses.copy(restore_splits=True, restore_scalers=True, register=True)
        assert np.allclose(other.get_features("np", features="voltage"), scaled)
        pulses.undo_all_transforms()
        assert "features.voltage.transformed" not in pulses.get_all_keys()
        assert np.array_equal(pulses.get_features("np", features="voltage"), raw)

    def test_takes_every_scaler_there_is(self, pulses):
        assert Scaler.get_supported_scalers() == Scaler.supported_scalers
        for name in Scaler.supported_scalers:
            options = {"n_quantiles": 5} if name == "QuantileTransformer" else {}
            if name == "SegmentedScaler":
                options = {"boundaries": (0, 2, 5), "scaler": "StandardScaler"}
            scaler = Scaler(name, scaler_kwargs=options)
            data = pulses.get_features("np", features="voltage").reshape(40, 5)
            values = scaler.fit_transform(data)
            assert values.shape == data.shape, name
            again = scaler.clone_unfitted()
            with pytest.raises(RuntimeError):
                again.transform(data)
            again = Scaler.from_config(scaler.get_config())
            again.set_state(scaler.get_state())
            assert np.array_equal(again.transform(data), values), name
            if name in ("Normalizer", "Absolute"):
                with pytest.raises(NotImplementedError):
                    again.inverse_transform(values)
            elif not name.startswith("PerSample"):
                assert np.allclose(again.inverse_transform(values), data), name
        pulses.fit_transform(
            SegmentedScaler((0, 3, 5), "MinMaxScaler"), domain="features", keys="voltage"
        )
        assert pulses.get_features("np", features="voltage").max() == pytest.approx(1)


class TestSampling:
    def test_gives_batches_of_one_role(self, pulses):
        sampler = SimpleSampler(batch_size=8, shuffle=True, group_by="cell", seed=4, source=pulses)
        assert sampler.is_bound
        sampler.materialize_batches(show_progress=False)
        assert sampler.is_materialized
        assert (sampler.num_batches, sampler.stream_names, sampler.role_names) == (
            8,
            ["default"],
            ["default"],
        )
        for batches in sampler:
            view = batches["default"]
            assert isinstance(view, BatchView)
            batch = view.materialize_batch("torch", features="voltage", tags="cell")
            assert batch.features.shape == (5, 5)
            assert len(set(np.asarray(batch.tags).ravel())) == 1
        assert sampler.sampled.get_stream("default")[0].n_samples == 5

    def test_gives_pairs_whose_weights_say_how_alike_they_are(self, pulses):
        near = SimilarityCondition("similar", tolerance=1.0, weight_mode="exp", max_weight=3.0)
        assert near.score(2, 2) >= near.score(2, 3) >= 1
        assert near.score(2, 4) == 0
        assert SimilarityCondition.from_config(near.get_config()) == near
        sampler = PairedSampler(
            {"cycle": near, "cell": SimilarityCondition(mode="dissimilar")},
            batch_size=10,
            max_pairs_per_anchor=2,
            shuffle=True,
            seed=1,
        )
        sampler.bind_sources([pulses])
        pairs = 0
        for view in sampler.get_batches():
            batch = view.materialize_batch()
            assert batch.available_roles == ["anchor", "pair"]
            cells, cycles = (
                [batch.get_data(role, "tags")[:, place] for role in batch.available_roles]
                for place in (0, 1)
            )
            assert (cells[0] != cells[1]).all()
            assert (abs(cycles[0].astype(int) - cycles[1].astype(int)) <= 1).all()
            pairs += batch.batch_size
        assert pairs == 80

    def test_trains_on_triplets_by_their_roles(self, pulses):
        net = ModelNode(
            "net",
            torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(10, 4)),
            pulses.reference(),
        )
        graph = ModelGraph([net], Optimizer("adam", opt_kwargs={"lr": 0.01}))
        sampler = TripletSampler(
            pos_conditions={"cell": SimilarityCondition("similar")},
            neg_conditions={"cell": SimilarityCondition("dissimilar")},
            batch_size=20,
            max_samples_per_anchor=1,
            shuffle=True,
        )
        loss = AppliedLoss(
            Loss(torch.nn.TripletMarginLoss, backend="torch", loss_kwargs={"margin": 0.5}),
            on="net",
            inputs={
                "anchor": "outputs.anchor",
                "positive": "outputs.positive",
                "negative": "outputs.negative",
            },
        )
        experiment = Experiment.from_active_context("triplets", seed=3)
        trained = experiment.run_phase(
            TrainPhase(
                "train",
                input_sources=[net.create_input_binding(sampler=sampler)],
                losses=[loss],
                n_epochs=20,
            )
        )
        losses = trained.metrics().select(name="train_loss", batch=None)
        assert losses[-1] < losses[0]
        roles = [
            trained.tensors(net, "tags", role=role, fmt="np").last()[:, 0]
            for role in ("anchor", "positive", "negative")
        ]
        assert (roles[0] == roles[1]).all()
        assert (roles[0] != roles[2]).all()
        assert graph.tail_nodes == {"net": net}
        with pytest.raises(KeyError, match="anchor"):
            trained.tensors(net, "outputs", role="ancor")

    def test_gives_as_many_roles_as_are_named(self, pulses):
        sampler = NSampler(
            {
                "same": {"cell": SimilarityCondition()},
                "newer": {"cycle": SimilarityCondition(tolerance=0)},
                "far": {"cycle": SimilarityCondition("dissimilar", tolerance=2)},
            },
            batch_size=16,
            max_samples_per_anchor=1,
            choose_best_only=True,
            seed=1,
        )
        sampler.bind_sources([pulses])
        assert sampler.role_names == ["anchor", "same", "newer", "far"]
        sizes = [view.n_samples for view in sampler.get_batches(stream="default")]
        assert sum(sizes) <= 40
        assert all(size == 16 for size in sizes[:-1])
