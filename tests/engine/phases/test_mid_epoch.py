import pytest

from engine.errors import CheckpointError
from engine.graph import DescentSettings
from engine.losses import AppliedLoss
from engine.optimizers import Scheduler
from engine.phases import PhaseGroup, Reporter
from engine.phases.schedule import BatchSchedulingPolicy
from tests.engine.small_experiments import assert_equal, fresh, resumable


class Saving(Reporter):
    """Keeps the state within an epoch, and the one between two."""

    def __init__(self, experiment):
        self.experiment, self.within, self.between = experiment, None, None

    def batch_ended(self, *, path, epoch, batch, step):
        if step == 7:
            self.within = self.experiment.get_state()

    def epoch_ended(self, *, path, epoch, step):
        if epoch == 0:
            self.between = self.experiment.get_state()


@pytest.fixture
def saved():
    experiment = fresh(resumable)
    saving = Saving(experiment)
    experiment.add_reporter(saving)
    experiment.run()
    return saving


def smaller(phase):
    for binding in phase.input_sources:
        binding.sampler.batch_size = 4


def larger(phase):
    for binding in phase.input_sources:
        binding.sampler.batch_size = 500


def in_order(phase):
    for binding in phase.input_sources:
        binding.sampler.shuffle = False


def accumulating(phase):
    phase.descent = DescentSettings(accumulate=2)


def taking_turns(phase):
    phase.batch_schedule = BatchSchedulingPolicy.ZIP_CYCLE


def scheduled(phase):
    phase.scheduler = Scheduler("steplr", {"step_size": 1})


def weighted(phase):
    phase.losses[0].weight = 0.5


def of_two_losses(phase):
    phase.add_loss(AppliedLoss("crossentropy", on="net", label="second"))


CHANGES = {
    smaller: "batch_size of the sampler for 'net' from 'clouds': 16 in the checkpoint, 4 here",
    larger: "batch_size .*16 in the checkpoint, 500 here",
    in_order: "shuffle .*true in the checkpoint, false here",
    accumulating: "accumulate: 1 in the checkpoint, 2 here",
    taking_turns: 'batch_schedule: "zip_strict" in the checkpoint, "zip_cycle" here',
    scheduled: 'scheduler: null in the checkpoint, "StepLR" here',
    weighted: "loss 'net.*1.0.* in the checkpoint, .*0.5.* here",
    of_two_losses: "loss 'second': nothing in the checkpoint",
}


@pytest.mark.parametrize(
    ("change", "match"), CHANGES.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_another_phase_is_refused_within_an_epoch_before_anything_changes(saved, change, match):
    experiment = fresh(resumable)
    change(next(iter(experiment.execution_plan)))
    experiment.set_state(saved.within)
    before = experiment.get_state()

    for go_on in (experiment.remaining, experiment.resume):
        with pytest.raises(CheckpointError, match=match):
            go_on()

    assert_equal(experiment.get_state(), before)


def test_the_phase_may_be_changed_between_two_epochs(saved):
    experiment = fresh(resumable)
    smaller(next(iter(experiment.execution_plan)))
    experiment.set_state(saved.between)
    experiment.resume()
    assert experiment.last_run.status == "completed"
    assert experiment.step == 5 + 18


def test_states_that_do_not_name_their_settings_are_gone_on_with(saved):
    experiment = fresh(resumable)
    state = saved.within
    state["position"]["phase"] = {
        name: one for name, one in state["position"]["phase"].items() if name != "settings"
    }
    experiment.set_state(state)
    experiment.resume()
    assert experiment.last_run.status == "completed"


def test_a_group_is_not_taken_for_the_phase_of_its_label(saved):
    experiment = fresh(resumable)
    plan = experiment.execution_plan
    phase = next(iter(plan))
    plan.clear()
    plan.add_group(PhaseGroup(phase.label, [phase]))
    experiment.set_state(saved.within)
    with pytest.raises(CheckpointError, match="has a group at that place"):
        experiment.resume()
