"""Any order of commands: the lab and its files agree with a model in plain Python."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from tests.tracker.registry.keeping.made import Made, faults, names, on_disk
from tests.tracker.registry.keeping.model import LabModel, ModelRun
from tracker.database.tables import Artifact, Run
from tracker.errors import TrackerError
from tracker.lab import Lab
from tracker.registry.pipelines import register_pipeline

CALLED = st.sampled_from(["a", "b", "a-2", "free"])
PIPELINES = st.sampled_from(["a", "b"])
CONFIGS = st.sampled_from(["x", "y", "z"])


class Keeping(RuleBasedStateMachine):
    """A rule for each command; to add one, give the model its method and compare the outcomes."""

    template: Path  # an empty lab

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        shutil.copytree(self.template, self.root / "lab")
        self.lab = Lab(self.root / "lab")
        self.made = Made(self.lab)
        self.model = LabModel()
        self.bundle = self.root / "bundle"
        self.bundled = None

    @initialize()
    def begin(self):
        """Something to bring back, so that few steps come far."""
        self.create("a", "x")
        self.train("a", 2)
        self.log(1)
        self.export()

    def teardown(self):
        assert faults(self.lab) == []
        self.lab.close()
        shutil.rmtree(self.root)

    @rule(name=PIPELINES, config=CONFIGS)
    def create(self, name, config):
        with self.lab.database.write() as session:
            about = {"experiment": "digits", "recipe": "r", "config": {"is": config}}
            outcome = raised(
                lambda: register_pipeline(session, name=name, config_hash=config, **about)
            )
            assert outcome == self.model.create(name, config)

    @rule(name=PIPELINES, epochs=st.integers(1, 3))
    def train(self, name, epochs):
        pipeline = self.model.called(name)
        if pipeline is None or isinstance(pipeline, ModelRun) or pipeline.archived:
            return
        self._new_run(name, epochs, pipeline)

    @rule(epochs=st.integers(1, 3))
    def log(self, epochs):
        self._new_run("free", epochs, None)

    def _new_run(self, name, epochs, pipeline):
        run = self.made.run(name, epochs=epochs, pipeline=None if pipeline is None else name)
        assert not self.model.taken(self.model.runs, run.name)
        states = dict.fromkeys(range(epochs), False)
        self.model.runs.append(
            ModelRun(
                run.name,
                tags={"t"},
                uuid=run.uuid,
                folder=run.uuid,
                pipeline=pipeline,
                states=states,
            )
        )

    @rule(name=CALLED, command=st.sampled_from(["archive", "unarchive", "prune"]))
    def put(self, name, command):
        thing = self.model.called(name)
        outcome = raised(lambda: getattr(self.lab, command)(name))
        assert outcome == ("NotFoundError" if thing is None else None)
        if thing is not None:
            getattr(self.model, command)(thing)

    @rule(name=CALLED)
    def delete(self, name):
        self.put(name, "delete")

    @rule(name=CALLED, to=CALLED)
    def rename(self, name, to):
        thing = self.model.called(name)
        outcome = raised(lambda: self.lab.rename(name, to))
        assert outcome == ("NotFoundError" if thing is None else self.model.rename(thing, to))

    @rule(name=CALLED, word=st.sampled_from(["t", "good", "favourite"]), gone=st.booleans())
    def tag(self, name, word, gone):
        thing = self.model.called(name)
        words = {"remove": word} if gone else {"tags": word}
        assert raised(lambda: self.lab.tag(name, **words)) == (
            "NotFoundError" if thing is None else None
        )
        if thing is not None:
            thing.tags = thing.tags - {word} if gone else thing.tags | {word}

    @rule(name=CALLED, epoch=st.integers(0, 2))
    def pin(self, name, epoch):
        thing = self.model.called(name)
        if isinstance(thing, ModelRun) and epoch in thing.states:
            self.lab.pin(name, epoch)
            thing.states[epoch] = True

    @rule(name=CALLED)
    def unpin(self, name):
        thing = self.model.called(name)
        if isinstance(thing, ModelRun):
            self.lab.unpin(name)
            thing.states = dict.fromkeys(thing.states, False)

    @rule(name=CALLED, as_=st.none() | CALLED)
    def restore(self, name, as_):
        thing = self.model.called(name, deleted=True)
        wanted = as_ or name
        expected = "NotFoundError" if thing is None else self.model.refuses_restore(thing, wanted)
        assert raised(lambda: self.lab.restore(name, as_=as_)) == expected
        if expected is None:
            self._follow(self.model.restore(thing, wanted))

    def _follow(self, back):
        """A run that came with its pipeline has a name of its own if another had taken it."""
        frame = self.lab.runs(columns=["uuid", "name"], archived=None)
        now = dict(zip(frame["uuid"], frame["name"], strict=True))
        others = {run.name for run in self.model.runs if run.visible and run not in back}
        for run in back:
            if run.name in others:
                assert now[run.uuid].startswith(f"{run.name}-")
                run.name = now[run.uuid]
            assert now[run.uuid] == run.name
            others.add(run.name)

    @rule(name=CALLED, pinned=st.booleans())
    def purge(self, name, pinned):
        things = self.model.all_deleted(name)
        gone = self.model.trash(things)
        expected = None if things else "NotFoundError"
        if things and not pinned:
            expected = self.model.refuses_purge(gone)
        assert raised(lambda: self.lab.purge(name, pinned=pinned)) == expected
        if expected is None:
            self.model.purge(gone)

    @rule()
    def empty_the_trash(self):
        gone = self.model.trash()
        expected = self.model.refuses_purge(gone)
        assert raised(lambda: self.lab.purge(everything=True)) == expected
        if expected is None:
            self.model.purge(gone)

    @rule()
    def export(self):
        """Taken in again, the bundle changes nothing here, and makes another lab the same."""
        self.bundle.unlink(missing_ok=True)
        self.bundled = self.model.bundle()
        things = (self.bundled.pipelines, self.bundled.runs)
        outcome = raised(lambda: self.lab.export_bundle(self.bundle, everything=True))
        assert outcome == (None if any(things) else "InvalidError")
        if outcome is not None:
            self.bundled = None
            return
        self.lab.import_bundle(self.bundle)
        other = self.root / "other"
        shutil.copytree(self.template, other)
        with Lab(other) as there:
            there.import_bundle(self.bundle)
            assert names(there, archived=None) == [
                sorted(each.name for each in some) for some in things
            ]
            assert placed(there) == expected_files(self.lab, self.bundled)
        shutil.rmtree(other)

    @rule()
    def replace(self):
        self.bring_back("replace")

    @rule(taken=st.sampled_from(["refuse", "skip", "rename"]))
    def bring_back(self, taken):
        """What was purged since the export comes back; what is in its way, the rule says.

        Once it has come, the same again changes nothing, whatever the rule.
        """
        if self.bundled is None:
            return
        outcome = raised(lambda: self.lab.import_bundle(self.bundle, taken=taken, dry_run=True))
        assert raised(lambda: self.lab.import_bundle(self.bundle, taken=taken)) == outcome
        assert outcome == self.model.take_in(self.bundled, taken)
        self._learn_uuids()
        if outcome is None and taken != "skip":
            again = self.lab.import_bundle(self.bundle)
            assert {change.fate for change in again.changes} == {"present"}

    def _learn_uuids(self):
        """What gave way to the same run of a bundle is another run: what is it called now?"""
        known = {run.uuid for run in self.model.runs}
        with self.lab.database.read() as session:
            rows = session.execute(select(Run.uuid, Artifact.path).join(Artifact)).all()
        for run in self.model.runs:
            if not run.uuid:
                (run.uuid,) = {
                    uuid for uuid, path in rows if f"/{run.folder}/" in path and uuid not in known
                }
                known.add(run.uuid)

    @invariant()
    def lists_agree(self):
        for where in ("in the way", "archived", "deleted"):
            expected = [
                sorted(each.name for each in things if stands(each) == where)
                for things in (self.model.pipelines, self.model.runs)
            ]
            choice = {} if where == "in the way" else {where: True}
            assert names(self.lab, **choice) == expected

    @invariant()
    def tags_agree(self):
        for frame, things in (
            (self.lab.pipelines, self.model.pipelines),
            (self.lab.runs, self.model.runs),
        ):
            found = frame(columns=["name", "tags"], archived=None)
            expected = sorted((each.name, sorted(each.tags)) for each in things if each.visible)
            assert sorted((name, list(tags)) for name, tags in found.to_numpy()) == expected

    @invariant()
    def files_agree(self):
        assert placed(self.lab) == expected_files(self.lab, self.model)


def expected_files(lab, model):
    expected = set()
    for run in model.runs:
        folder = lab.files.run_folder(run.folder)
        expected |= {f"{folder}/checkpoints/e{epoch}.ckpt" for epoch in run.states}
        expected.add(f"{folder}/artifacts/report.txt")
    return expected


def placed(lab):
    """Every file of the lab's, where it would be if it had not come in a bundle."""
    return {re.sub(r"/imported/[0-9a-f]+/", "/runs/", path) for path in on_disk(lab)}


def stands(thing):
    if not thing.visible:
        return "deleted"
    return "in the way" if thing.archived is None else "archived"


def raised(work):
    try:
        work()
    except TrackerError as error:
        return type(error).__name__
    return None


QUICK = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
THOROUGH = settings(QUICK, max_examples=150, stateful_step_count=60)


# What a random order of commands comes to rarely, and where an import has to choose.
SCENES = {
    "in the trash": [("delete", "free"), ("delete", "a")],
    "one in the trash": [("delete", "free"), ("log", 2)],
    "purged": [("delete", "a"), ("delete", "free"), ("empty_the_trash",)],
    "purged, and its name taken": [
        *(("delete", "a"), ("delete", "free"), ("empty_the_trash",)),
        *(("create", "a", "y"), ("train", "a", 1), ("log", 3)),
    ],
    "its name taken twice over": [
        *(("log", 1), ("export",), ("delete", "free"), ("delete", "free-2")),
        *(("empty_the_trash",), ("log", 2)),
    ],
    "called otherwise, and its name taken": [("rename", "free", "b"), ("log", 1)],
    "in the way under another name": [
        *(("log", 1), ("export",), ("delete", "free-2"), ("empty_the_trash",)),
        ("rename", "free", "free-2"),
    ],
}


@pytest.mark.parametrize("taken", ["refuse", "skip", "rename", "replace"])
@pytest.mark.parametrize("scene", SCENES)
def test_what_is_brought_back_meets_what_is_here(lab_root, scene, taken):
    class FromTemplate(Keeping):
        template = lab_root

    machine = FromTemplate()
    machine.begin()
    for name, *arguments in [*SCENES[scene], ("bring_back", taken)]:
        getattr(machine, name)(*arguments)
        machine.lists_agree()
        machine.files_agree()
        machine.tags_agree()
    machine.teardown()


@pytest.mark.parametrize("how", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)])
def test_any_order_of_commands_agrees_with_the_model(lab_root, how):
    class FromTemplate(Keeping):
        template = lab_root

    machine = FromTemplate.TestCase
    machine.settings = how
    machine().runTest()
