import numpy as np
import torch

from engine.batches import BatchOrder, BatchViews, ColumnStore
from engine.features import FeatureSet


def test_a_batch_lies_alike_in_memory_wherever_the_epoch_is_entered(monkeypatch):
    """Matrix products may round differently on input that is aligned differently."""
    monkeypatch.setattr("engine.batches.stretches._BYTES_AT_ONCE", 300)
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    columns = {f"x{place}": x[:, place] for place in range(5)}
    data = FeatureSet.from_dict("data", columns, list(columns), [])
    store = ColumnStore(data.to_view(), data.reference())
    order = BatchOrder.of_size(np.random.default_rng(1).permutation(40), 3, drop_last=False)

    def taken(batch, views):
        features = views[batch].take(store.reference.features)
        return features.data_ptr() % 64, features

    whole = BatchViews(store, order)
    entered_at_once = [taken(batch, whole) for batch in range(len(order))]
    for batch, (alignment, features) in enumerate(entered_at_once):
        again, same = taken(batch, BatchViews(store, order))
        assert again == alignment
        assert torch.equal(same, features)
    assert len({alignment for alignment, _ in entered_at_once}) > 1
