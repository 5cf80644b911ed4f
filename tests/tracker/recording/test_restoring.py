import os
import signal
import subprocess
import sys

import pytest

from tests.tracker.recording import blobs
from tests.tracker.recording.blobs import QUIET, At
from tests.tracker.recording.recorded import new_lab, outcome, rows_of
from tracker.errors import NotFoundError, StateError
from tracker.recording.checkpoints import CheckpointPolicy
from tracker.registry.runs import find_run


@pytest.fixture(scope="module")
def undisturbed(empty_database, tmp_path_factory):
    """What an uninterrupted run records, and the fingerprint of what it learned."""
    lab = new_lab(empty_database, tmp_path_factory.mktemp("undisturbed"))
    experiment = blobs.build()
    with lab.track(experiment):
        experiment.run(**QUIET)
    found = outcome(rows_of(lab)), blobs.fingerprint(experiment)
    lab.close()
    return found


class TestResume:
    def resumed(self, lab):
        experiment = blobs.build()
        with lab.track(experiment, resume=True):
            experiment.resume(**QUIET)
        return outcome(rows_of(lab)), blobs.fingerprint(experiment)

    @pytest.mark.parametrize("step", [1, 4, 5, 6, 10, 13, 15])
    def test_after_a_stop_everything_is_as_if_nothing_had_been(self, lab, undisturbed, step):
        experiment = blobs.build()
        with lab.track(experiment):
            experiment.add_reporter(At(step, experiment.request_stop))
            experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_stopped_again_and_again(self, lab, undisturbed):
        for number, step in enumerate((2, 3, 7, 11)):
            experiment = blobs.build()
            with lab.track(experiment, resume=number > 0):
                experiment.add_reporter(At(step, experiment.request_stop))
                if number:
                    experiment.resume(**QUIET)
                else:
                    experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_after_a_failure_goes_on_from_the_last_checkpoint(self, lab, undisturbed):
        def fail():
            raise ZeroDivisionError

        experiment = blobs.build()
        experiment.add_reporter(At(8, fail))
        with pytest.raises(ZeroDivisionError), lab.track(experiment):
            experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_a_damaged_checkpoint_is_named_and_the_one_before_used(self, lab, undisturbed, rows):
        experiment = blobs.build()
        with lab.track(experiment, checkpoints=CheckpointPolicy(keep_last=5)):
            experiment.add_reporter(At(12, experiment.request_stop))
            experiment.run(**QUIET)
        ((path,),) = rows("SELECT path FROM checkpoints WHERE batch = 2")
        file = lab.files.path(path)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

        with pytest.warns(UserWarning, match="'train-epoch-2-batch-2' is left out.*is damaged"):
            found = self.resumed(lab)

        assert found == undisturbed

    def test_a_run_without_a_checkpoint_cannot_go_on(self, lab):
        lab.run("blobs", experiment="blobs").finish()

        with pytest.raises(StateError, match="no checkpoint to go on from"):
            self.resumed(lab)

    def test_an_unknown_run_suggests_the_nearest(self, lab):
        lab.run("blobs-2", experiment="blobs").finish()

        with pytest.raises(NotFoundError, match="Did you mean 'blobs-2'"):
            self.resumed(lab)


class TestKill:
    def program(self, lab, *arguments):
        command = [sys.executable, blobs.__file__, str(lab.root), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def check(self, lab, undisturbed, step, name):
        killed = self.program(lab, "run", step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        resumed = self.program(lab, "resume")
        assert resumed.returncode == 0, resumed.stderr

        recorded, learned = undisturbed
        assert resumed.stdout.split() == [name, learned]
        with lab.database.read() as session:
            run = find_run(session, name)
        assert outcome(rows_of(lab), run.id) == recorded
        assert rows_of(lab)("SELECT exit FROM sessions WHERE run_id = :run", run=run.id) == [
            ("lost",),
            ("returned",),
        ]

    def test_in_another_process_everything_is_as_if_nothing_had_been(self, lab, undisturbed):
        self.check(lab, undisturbed, 8, "blobs")

    @pytest.mark.slow
    @pytest.mark.parametrize("step", range(6, 16))
    def test_at_every_step(self, lab, undisturbed, step):
        self.check(lab, undisturbed, step, "blobs")
