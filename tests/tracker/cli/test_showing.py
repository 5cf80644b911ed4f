import json
import re

import pytest

from tracker.database.kinds import PhaseKind, RunStatus
from tracker.database.tables import Pipeline
from tracker.files import StoredFile
from tracker.registry.checkpoints import register_checkpoint
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.pipelines import register_pipeline, set_current_run
from tracker.registry.runs import create_run

pytestmark = pytest.mark.usefixtures("three_runs")

CONFIG = {"epochs": 20, "model": {"loc": "my:MLP", "args": {"hidden": 64}}}


@pytest.fixture
def pipeline_id(lab):
    """The pipeline `wide`, which was never trained."""
    with lab.database.write() as session:
        return register_pipeline(
            session,
            name="wide",
            experiment="digits",
            recipe="supervised",
            config=CONFIG,
            config_hash="0",
        ).id


@pytest.fixture
def run(lab, pipeline_id):
    """Its current run, with two phases in a group, and two checkpoints."""
    with lab.database.write() as session:
        run = create_run(session, name="wide", experiment="digits", pipeline_id=pipeline_id)
        set_current_run(session, session.get_one(Pipeline, pipeline_id), run.id)
        group = begin_phase(session, run.id, label="both", kind=PhaseKind.GROUP, position=0)
        for place, kind in enumerate([PhaseKind.TRAIN, PhaseKind.EVAL]):
            phase = begin_phase(
                session, run.id, label=kind.value, kind=kind, position=place, parent_id=group
            )
            end_phase(session, phase, RunStatus.FINISHED, epochs=2 - place)
        for epoch in range(2):
            file = StoredFile(f"files/e{epoch}", 1_234_567, "0" * 64)
            register_checkpoint(session, run.id, file, name=f"epoch-{epoch}", epoch=epoch)
        return run


def section(text, title):
    """The lines below a heading."""
    found = re.search(rf"^{title}\n((?:  .*\n)+)", text, re.MULTILINE)
    assert found, text
    return [line[2:] for line in found[1].splitlines()]


class TestShow:
    def test_a_run_says_everything(self, labkeeper):
        text = labkeeper("show", "mlp-2").stdout

        assert re.match(r"mlp-2  run [0-9a-f]{8}  finished\n", text)
        assert "  tags        base\n" in text
        assert section(text, "Parameters") == ["depth         3", "optimizer.lr  0.01"]
        header, accuracy, loss = section(text, "Metrics")
        assert header.split() == [
            *("metric", "goal", "best", "best_epoch"),
            *("last", "last_step", "points"),
        ]
        assert accuracy.split() == ["val_accuracy", "max", "0.5", "2", "0.5", "20", "3"]
        assert loss.split() == ["val_loss", "min", "0.333333", "1", "nan", "20", "3"]
        assert section(text, "Environment")[0].startswith("commit") or "python" in text

    def test_a_pipeline_says_its_configuration_and_its_run(self, labkeeper, run):
        text = labkeeper("show", "wide").stdout

        assert text.startswith("wide  pipeline\n  experiment  digits\n  recipe      supervised\n")
        assert section(text, "Configuration") == [
            "epochs             20",
            "model.loc          my:MLP",
            "model.args.hidden  64",
        ]
        assert section(text, "Phases")[0].startswith("└─ both  group  running")
        assert section(text, "Phases")[1].startswith("   ├─ train  train  finished  2 epochs  ")
        assert section(text, "Phases")[2].startswith("   └─ eval  eval  finished  1 epoch  ")
        header, newest, _ = section(text, "Checkpoints")
        assert header.split()[:4] == ["name", "kind", "epoch", "size"]
        assert newest.split()[:5] == ["epoch-1", "state", "1", "1.2", "MB"]

    def test_a_pipeline_without_a_run_says_how_to_begin(self, labkeeper, pipeline_id):
        text = labkeeper("show", "wide").stdout

        assert text.endswith("\nNever trained: labkeeper train wide\n")

    def test_json_has_it_all(self, labkeeper, run):
        found = json.loads(labkeeper("show", "wide", "--json").stdout)

        assert found["pipeline"]["configuration"] == CONFIG
        assert found["run"]["uuid"] == run.uuid
        assert [phase["label"] for phase in found["run"]["phases"][0]["phases"]] == [
            "train",
            "eval",
        ]
        assert found["run"]["checkpoints"][0]["bytes"] == 1_234_567

    def test_json_of_a_run_tells_nan_from_missing(self, labkeeper):
        found = json.loads(labkeeper("show", "mlp-2", "--json").stdout)

        assert found["pipeline"] is None
        assert [row["last"] for row in found["run"]["metrics"]] == [0.5, "NaN"]

    def test_a_failed_run_shows_its_traceback(self, labkeeper, lab):
        with pytest.raises(ZeroDivisionError), lab.run("broken"):
            raise ZeroDivisionError("oops")

        text = labkeeper("show", "broken").stdout

        assert "failed" in text.splitlines()[0]
        assert section(text, "Traceback")[-1] == "ZeroDivisionError: oops"

    def test_an_unknown_name_suggests_the_nearest(self, labkeeper):
        result = labkeeper("show", "mpl")

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: There is no pipeline or run named 'mpl'. Did you mean 'mlp'?\n"
        )


class TestCheckpoints:
    def test_come_newest_first(self, labkeeper, run):
        rows = json.loads(labkeeper("checkpoints", "wide", "--json").stdout)

        assert [(row["name"], row["epoch"], row["bytes"]) for row in rows] == [
            ("epoch-1", 1, 1_234_567),
            ("epoch-0", 0, 1_234_567),
        ]
        assert labkeeper("checkpoints", "wide", "--csv").stdout.startswith("name,kind,epoch,")

    def test_none_is_said(self, labkeeper):
        result = labkeeper("checkpoints", "mlp")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "'mlp' has no checkpoint.\n"

    def test_a_pipeline_that_was_never_trained_has_none(self, labkeeper, pipeline_id):
        result = labkeeper("checkpoints", "wide")

        assert result.exit_code == 1
        assert "labkeeper train wide" in result.stderr
