import pytest

from engine.callbacks import Callback, ExperimentCallback
from engine.errors import PhaseError
from engine.phases import PhaseGroup
from tests.engine.experiment.plans import Failing, evaluation, training
from tests.engine.small_experiments import Log


class TestExperimentCallbacks:
    class Spy(ExperimentCallback):
        def __init__(self, seen, **options):
            super().__init__(**options)
            self.seen = seen

        def on_experiment_start(self, *, experiment):
            self.seen.append((self.label, "experiment_start"))

        def on_experiment_end(self, *, experiment):
            self.seen.append((self.label, "experiment_end"))

        def on_phase_start(self, *, experiment, phase):
            self.seen.append((self.label, "phase_start", phase.label))

        def on_phase_end(self, *, experiment, phase):
            self.seen.append((self.label, "phase_end", phase.label))

        def on_group_start(self, *, experiment, phase_group):
            self.seen.append((self.label, "group_start", phase_group.label))

        def on_group_end(self, *, experiment, phase_group):
            self.seen.append((self.label, "group_end", phase_group.label))

        def on_exception(self, *, experiment, phase=None, exception):
            self.seen.append((self.label, "exception", phase and phase.label, exception))

    def test_are_called_at_every_boundary_in_their_order(self, experiment):
        seen = []
        experiment.add_callback(self.Spy(seen, label="late", execution_order=1))
        experiment.add_callback(self.Spy(seen, label="early"))
        experiment.execution_plan.add_group(PhaseGroup("group", [evaluation()]))

        experiment.run()

        assert [each.label for each in experiment.exp_callbacks] == ["early", "late"]
        assert seen[:4] == [
            ("early", "experiment_start"),
            ("late", "experiment_start"),
            ("early", "group_start", "group"),
            ("late", "group_start", "group"),
        ]
        assert [event[1:] for event in seen if event[0] == "early"] == [
            ("experiment_start",),
            ("group_start", "group"),
            ("phase_start", "test"),
            ("phase_end", "test"),
            ("group_end", "group"),
            ("experiment_end",),
        ]

    def test_see_the_error_and_the_phase(self, experiment):
        seen, error = [], ValueError("no")
        experiment.add_callback(self.Spy(seen, label="spy"))
        with pytest.raises(ValueError, match="no"):
            experiment.run_phase(training(callbacks=[Failing(error)]))

        assert seen == [
            ("spy", "phase_start", "train"),
            ("spy", "exception", "train", error),
        ]

    def test_may_run_phases_which_nobody_else_hears_of(self, experiment):
        seen, test = [], evaluation("inside")

        class Evaluating(ExperimentCallback):
            def on_phase_end(self, *, experiment, phase):
                experiment.run_phase(test)

        log = Log()
        experiment.add_reporter(log)
        experiment.add_callback(self.Spy(seen, label="spy"))
        experiment.add_callback(Evaluating())
        experiment.run_phase(training())

        assert seen == [("spy", "phase_start", "train"), ("spy", "phase_end", "train")]
        assert "inside" not in {event[1] for event in log.events}
        assert [run.label for run in experiment.history] == ["inside", "train"]

    def test_a_phases_callback_is_refused(self, experiment):
        with pytest.raises(PhaseError, match=r"belongs to a phase: phase\.add_callback"):
            experiment.add_callback(Callback())
