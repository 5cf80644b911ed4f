"""A lab as plain Python: what the real one must agree with after every command."""

import re
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
    tags: set[str] = field(default_factory=set)

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
    # The uuid that it was recorded under: it may get another, and its files stay.
    folder: str = ""
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

    def rename(self, thing, name):
        """A pipeline takes along the runs that are called after it."""
        moving = {thing: name} if isinstance(thing, ModelRun) else {}
        if isinstance(thing, ModelPipeline) and name != thing.name:
            if self.taken(self.pipelines, name):
                return "TakenError"
            own = re.compile(rf"{re.escape(thing.name)}(-\d+)?")
            for run in self.runs_of(thing):
                if run.visible and (found := own.fullmatch(run.name)):
                    moving[run] = name + (found[1] or "")
        others = {run.name for run in self.runs if run.visible and run not in moving}
        if others & set(moving.values()):
            return "TakenError"
        thing.name = name
        for run, called in moving.items():
            run.name = called
        return None

    def take_in(self, bundle, rule):
        """Takes in what is not here, all or nothing; returns the error's name, if it is one."""
        before = deepcopy((self.pipelines, self.runs))
        refused = _Taking(self, bundle.bundle(), rule).refused()
        if refused is not None:
            self.pipelines, self.runs = before
        return refused

    def _with_runs(self, thing):
        if isinstance(thing, ModelRun):
            return [thing]
        return [thing, *(run for run in self.runs_of(thing) if run.visible)]


class _Taking:
    """One import: every thing of the bundle meets what is here, pipelines first."""

    def __init__(self, here, bundle, rule):
        self.here = here
        self.bundle = bundle
        self.rule = rule
        # By identity: the pipelines that runs of the bundle belong to here.
        self.owners = {}
        self.present = []
        self.obstacles = 0

    def refused(self):
        for coming, things in (
            (self.bundle.pipelines, self.here.pipelines),
            (self.bundle.runs, self.here.runs),
        ):
            given = {each.name for each in coming}
            for each in coming:
                if not self._meet(each, things, given):
                    return "StateError"
        return "TakenError" if self.obstacles else None

    def _meet(self, each, things, given):
        """False if what would have to give way is in the bundle too."""
        if isinstance(each, ModelRun) and each.pipeline is not None:
            if each.pipeline.identity not in self.owners:
                return True
            each.pipeline = self.owners[each.pipeline.identity]
        same = [one for one in things if _identity(one) == _identity(each)]
        here = next((one for one in same if one.visible), None)
        if here is not None:
            self.present.append(here)
            return self._know(each, here)
        if not same and not self.here.taken(things, each.name):
            return self._add(each, things)
        if self.rule == "replace":
            if same and isinstance(each, ModelRun):
                same[0].uuid = ""  # another run from now on
            return self._put_away(each.name, things) and self._add(each, things)
        if self.rule == "rename" and not same:
            taken = {one.name for one in things if one.visible} | given
            names = (f"{each.name}-{number}" for number in count(2))
            each.name = next(name for name in names if name not in taken)
            given.add(each.name)
            return self._add(each, things)
        self.obstacles += self.rule != "skip"
        return True

    def _add(self, each, things):
        things.append(each)
        return self._know(each, each)

    def _know(self, each, here):
        if isinstance(each, ModelPipeline):
            self.owners[each.identity] = here
        return True

    def _put_away(self, name, things):
        for one in things:
            if one.name == name and one.visible:
                if one in self.present:
                    return False
                self.here.delete(one)
        return True


def _identity(thing):
    return thing.uuid if isinstance(thing, ModelRun) else thing.identity
