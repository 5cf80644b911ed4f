import json

import pytest


@pytest.fixture
def trained(small, create, labkeeper):
    """The pipeline `small` after a short training that kept every checkpoint."""
    create("small", "epochs=4", "strategy.checkpoints.keep_last=4")
    assert labkeeper("train", "small").exit_code == 0
    return small


def names(labkeeper, kind="state"):
    rows = json.loads(labkeeper("checkpoints", "small", "--json").stdout)
    return [row["name"] for row in rows if row["kind"] == kind]


def test_pinned_ones_stay_when_the_others_are_pruned(trained, labkeeper):
    before = names(labkeeper)
    oldest, newest = before[-1], before[0]
    epoch = oldest.rpartition("-")[2]

    assert labkeeper("pin", "small", epoch).stdout == f"Pinned {oldest}.\n"
    shown = labkeeper("prune", "small", "--dry-run").stdout.splitlines()
    assert shown[:-1] == [f"checkpoint  small/small {name}" for name in before[1:-1]]
    assert shown[-1].startswith(f"Would prune {len(before) - 2} checkpoints of 1 run (")

    refused = labkeeper("prune", "small")
    assert refused.exit_code == 1
    assert "say --yes" in refused.stderr
    assert names(labkeeper) == before
    assert labkeeper("prune", "small", "--yes").exit_code == 0
    assert names(labkeeper) == [newest, oldest]

    assert labkeeper("unpin", "small").stdout == f"Unpinned {oldest}.\n"
    assert labkeeper("unpin", "small").stdout == "'small' has no pinned checkpoint.\n"
    assert labkeeper("prune", "small", "--yes").exit_code == 0
    assert names(labkeeper) == [newest]
    assert labkeeper("prune", "small", "--yes").stdout == "Nothing matches.\n"

    # What is left is enough to go on from.
    assert labkeeper("train", "small", "--epochs", "5").exit_code == 0


def test_the_best_by_any_metric_stays(trained, labkeeper):
    before = names(labkeeper)
    result = labkeeper("prune", "small", "--best", "train_loss", "--last", "0", "--yes", "--json")

    losses = trained.histories(metrics=["train_loss"]).set_index("epoch")["value"]
    left = names(labkeeper)
    assert left == [f"train-epoch-{losses.idxmin()}"]
    assert sorted(json.loads(result.stdout)["checkpoints"]) == sorted(
        f"small/small {name}" for name in before if name not in left
    )


def test_verify_names_the_damaged_and_the_missing(trained, labkeeper):
    whole = labkeeper("verify", "small")
    assert (whole.exit_code, whole.stdout) == (0, "")
    assert whole.stderr.endswith("all whole.\n")

    first, second, *_ = json.loads(labkeeper("checkpoints", "small", "--json").stdout)
    path = trained.files.path(first["path"])
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    trained.files.remove(second["path"])

    result = labkeeper("verify", "--ndjson")
    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {fault["path"] for fault in found} == {first["path"], second["path"]}
    assert f"checkpoint '{first['name']}' of run 'small'" in {fault["whose"] for fault in found}
    assert result.stderr.startswith("Error: 2 files of ")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["pin", "small", "99"], "There is no checkpoint named 'epoch 99'."),
        (["pin", "small", "bset"], "Did you mean 'best'?"),
        (["unpin", "small", "1"], "There is no pinned checkpoint named 'epoch 1'."),
        (["prune", "small", "--best", "val_los", "--yes"], "Did you mean 'val_loss'?"),
    ],
)
def test_refusals_are_one_line(trained, labkeeper, arguments, refusal):
    before = names(labkeeper)
    result = labkeeper(*arguments)

    assert result.exit_code == 1
    assert refusal in result.stderr
    assert names(labkeeper) == before
