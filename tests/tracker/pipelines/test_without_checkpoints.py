"""A history whose checkpoints are gone is not begun anew unasked."""

import textwrap

import pytest

from tests.tracker.pipelines.small_lab import PARTS, points_of
from tracker.errors import StateError
from tracker.lab import Lab


@pytest.fixture
def trained(create):
    pipeline = create("small", epochs=2)
    pipeline.train(progress=False)
    return pipeline


def refused(lab, pipeline):
    before = points_of(lab, "small")
    for go_on in (
        lambda: pipeline.train(4, progress=False),
        lambda: pipeline.remaining(4),
        pipeline.prepare,
    ):
        with pytest.raises(
            StateError, match=r"'small' has a history and no checkpoint.*--fresh small"
        ):
            go_on()
    assert points_of(lab, "small") == before


def test_after_all_were_pruned(lab, trained):
    lab.prune("small", last=0)

    refused(lab, trained)
    assert trained.train(4, fresh=True, progress=False).status == "finished"


def test_in_a_bundle_they_did_not_come_in(lab, trained, tmp_path):
    lab.export_bundle(tmp_path / "a.bundle", "small", checkpoints=False)
    other = Lab.init(tmp_path / "other")
    (other.root / "parts.py").write_text(textwrap.dedent(PARTS))
    other.import_bundle(tmp_path / "a.bundle")

    refused(other, other.pipeline("small"))
    other.close()


def test_but_a_run_that_came_to_none_begins_anew(create, monkeypatch):
    pipeline = create("small", epochs=2, **{"model.args.fail_at": 1})
    with pytest.raises(ArithmeticError):
        pipeline.train(progress=False)
    monkeypatch.setenv("MENDED", "1")

    assert pipeline.train(progress=False).status == "finished"


def test_nor_are_epochs_before_the_first_one_a_sign_of_it(create, monkeypatch):
    strategy = {"checkpoints": {"every": 3}}
    pipeline = create("small", epochs=4, strategy=strategy, **{"model.args.fail_at": 8})
    with pytest.raises(ArithmeticError):
        pipeline.train(progress=False)
    monkeypatch.setenv("MENDED", "1")

    assert pipeline.train(progress=False).status == "finished"
