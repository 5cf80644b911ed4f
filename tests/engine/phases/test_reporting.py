from engine.phases.reporting import Reporter, overriding


class Quiet(Reporter):
    """Overrides nothing."""


class Loud(Reporter):
    def batch_ended(self, *, path, epoch, batch, step):
        return step


class Louder(Loud):
    """Overrides by inheritance."""


def test_only_those_are_called_that_override_a_method_themselves_or_by_inheritance():
    quiet, loud, louder = Quiet(), Loud(), Louder()

    found = overriding([quiet, loud, louder], "batch_ended", Reporter)

    assert [hook.__self__ for hook in found] == [loud, louder]
    assert overriding([quiet, loud], "epoch_ended", Reporter) == ()
    assert found[0](path=(), epoch=0, batch=0, step=3) == 3


def test_a_method_that_was_put_on_the_object_counts():
    quiet = Quiet()
    quiet.batch_ended = lambda **facts: facts["step"]

    assert overriding([quiet], "batch_ended", Reporter) == (quiet.batch_ended,)


def test_what_is_not_overridden_does_nothing():
    reporter = Reporter()
    reporter.run_started(None, resumed=False)
    reporter.phase_started(None, path=(0,), kind="train", resumed=False)
    reporter.metrics({"loss": 1.0}, path=(0,), epoch=0, batch=None, step=1)
    reporter.batch_ended(path=(0,), epoch=0, batch=0, step=1)
    reporter.epoch_ended(path=(0,), epoch=0, step=1)
    reporter.phase_ended(None, path=(0,), status="completed", results=None)
    reporter.run_ended(None, status="completed", error=None)

    assert not reporter.wants_batch_metrics
