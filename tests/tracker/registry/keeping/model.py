"""A lab as plain Python: what the real one must agree with after every command."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count

_moments = count(1)


@dataclass(eq=False)
class Thing:
    """A pipeline or a run. Moments are numbers, None: not archived, not in the trash."""

    name: str
    archived: int | None = None
    deleted: int | None = None

    @property
    def visible(self):
        return self.deleted is None


@dataclass(eq=False)
class ModelPipeline(Thing):
    config: str = ""
    # The same in every lab.
    identity: int = field(default_factory=lambda: next(_moments))


@dataclass(eq=False)
class ModelRun(Thing):
    uuid: str = ""
    pipeline: ModelPipeline | None = None
    # The epoch of each checkpoint that is there, and whether it is pinned.
    states: dict[int, bool] = field(default_factory=dict)


class LabModel:
    """Every method does what the command of its name does, or returns the error it raises."""

    def __init__(self):
        self.pipelines = []
        self.runs = []

    def called(self, name, *, deleted=False):
        """What a name means: a pipeline, else a run; of the trash, the last that came there."""
        for things in (self.pipelines, self.runs):
            found = [each for each in things if each.name == name and each.visible is not deleted]
            if found:
                return max(found, key=lambda each: (each.deleted or 0, things.index(each)))
        return None

    def all_deleted(self, name):
        for things in (self.pipelines, self.runs):
            found = [each for each in things if each.name == name and not each.visible]
            if found:
                return found
        return []

    def runs_of(self, pipeline):
        return [run for run in self.runs if run.pipeline is pipeline]

    def taken(self, things, name):
        return any(each.name == name and each.visible for each in things)

    def create(self, name, config):
        twin = any(each.config == config and each.visible for each in self.pipelines)
        if self.taken(self.pipelines, name) or twin:
            return "TakenError"
        self.pipelines.append(ModelPipeline(name, config=config))
        return None

    def archive(self, thing):
        moment = next(_moments)
        for each in self._with_runs(thing):
            each.archived = each.archived or moment

    def unarchive(self, thing):
        before = thing.archived
        if before is None:
            return
        for each in self._with_runs(thing):
            if each is thing or each.archived == before:
                each.archived = None

    def delete(self, thing):
        moment = next(_moments)
        for each in self._with_runs(thing):
            each.deleted = moment

    def refuses_restore(self, thing, name):
        if isinstance(thing, ModelRun):
            if thing.pipeline is not None and not thing.pipeline.visible:
                return "StateError"
            return "TakenError" if self.taken(self.runs, name) else None
        twin = any(each.config == thing.config and each.visible for each in self.pipelines)
        return "TakenError" if twin or self.taken(self.pipelines, name) else None

    def restore(self, thing, name):
        """The runs that come back with it; what they are called then, the lab says."""
        went, thing.deleted, thing.name = thing.deleted, None, name
        if isinstance(thing, ModelRun):
            return []
        back = [run for run in self.runs_of(thing) if run.deleted == went]
        for run in back:
            run.deleted = None
        return back

    def trash(self, things=None):
        """Everything that purging these takes away; all that is in the trash, if None."""
        if things is None:
            things = [each for each in (*self.pipelines, *self.runs) if not each.visible]
        gone = list(things)
        for each in things:
            if isinstance(each, ModelPipeline):
                gone += [run for run in self.runs_of(each) if run not in gone]
        return gone

    def refuses_purge(self, gone):
        pinned = any(isinstance(each, ModelRun) and any(each.states.values()) for each in gone)
        return "StateError" if pinned else None

    def purge(self, gone):
        self.pipelines = [each for each in self.pipelines if each not in gone]
        self.runs = [each for each in self.runs if each not in gone]

    def prune(self, thing):
        for run in self._with_runs(thing):
            if isinstance(run, ModelRun) and run.states:
                newest = max(run.states)
                run.states = {
                    epoch: pinned
                    for epoch, pinned in run.states.items()
                    if pinned or epoch == newest
                }

    def bundle(self):
        """A copy of everything that is not in the trash."""
        other = LabModel()
        pipelines = [each for each in self.pipelines if each.visible]
        runs = [each for each in self.runs if each.visible]
        other.pipelines, other.runs = deepcopy((pipelines, runs))
        return other

    def import_skipping(self, bundle):
        """Takes in what was never here, or was purged, unless its name is taken."""
        coming = bundle.bundle()
        here = {each.identity: each for each in self.pipelines}
        for each in coming.pipelines:
            if each.identity not in here and not self.taken(self.pipelines, each.name):
                self.pipelines.append(each)
        kept = {each.identity: each for each in self.pipelines if each.visible}
        uuids = {each.uuid for each in self.runs}
        names = {each.name for each in self.runs if each.visible}
        for run in coming.runs:
            if run.uuid in uuids or run.name in names:
                continue
            if run.pipeline is not None:
                if run.pipeline.identity not in kept:
                    continue
                run.pipeline = kept[run.pipeline.identity]
            self.runs.append(run)

    def _with_runs(self, thing):
        if isinstance(thing, ModelRun):
            return [thing]
        return [thing, *(run for run in self.runs_of(thing) if run.visible)]
