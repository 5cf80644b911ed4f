"""Calling the hooks of a phase's callbacks, and keeping what they return."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from engine.phases.hooks import Callback
from engine.phases.reporting import overriding
from engine.results.callback_results import CallbackResult, Edge, MetricResult, PayloadResult

if TYPE_CHECKING:
    from engine.batches.execution import ExecutionContext
    from engine.phases.running import PhaseRun

Hook = Callable[..., Any]


class Hooks:
    """The callbacks of one execution of a phase, asked once which hooks they override."""

    def __init__(self, run: "PhaseRun") -> None:
        self._run = run
        self.callbacks = in_order(run.phase.callbacks)
        self.batch_start = self._overriding("on_batch_start")
        self.batch_end = self._overriding("on_batch_end")

    def _overriding(self, method: str) -> tuple[Hook, ...]:
        return overriding(self.callbacks, method, Callback)

    @property
    def by_key(self) -> dict[str, Callback]:
        """The callbacks by the names of their states."""
        return {one.state_key: one for one in self.callbacks}

    def get_state(self) -> dict[str, Any]:
        return {key: one.get_state() for key, one in self.by_key.items()}

    def phase(self, method: str) -> None:
        """`on_phase_start`, `on_phase_resume` or `on_phase_end`."""
        edge: Edge = "end" if method == "on_phase_end" else "start"
        for hook in self._overriding(method):
            self._call(hook, edge)

    def epoch(self, method: str, exec_ctx: "ExecutionContext") -> None:
        """`on_epoch_start` or `on_epoch_end`."""
        edge: Edge = "end" if method == "on_epoch_end" else "start"
        for hook in self._overriding(method):
            self._call(hook, edge, exec_ctx, epoch=exec_ctx.epoch_idx)

    def batch(self, hooks: tuple[Hook, ...], edge: Edge, exec_ctx: "ExecutionContext") -> None:
        """`batch_start` or `batch_end`, whose hooks are known beforehand."""
        for hook in hooks:
            self._call(hook, edge, exec_ctx, epoch=exec_ctx.epoch_idx, batch=exec_ctx.batch_idx)

    def exception(self, error: BaseException, exec_ctx: "ExecutionContext | None") -> None:
        """Show every callback the error."""
        run = self._run
        show_error(
            error,
            self.callbacks,
            run.inside_hook,
            experiment=run.experiment,
            phase=run.phase,
            exec_ctx=exec_ctx,
            results=run.results,
        )

    def _call(
        self,
        hook: Hook,
        edge: Edge,
        exec_ctx: "ExecutionContext | None" = None,
        *,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> None:
        run = self._run
        context = {} if exec_ctx is None else {"exec_ctx": exec_ctx}
        with run.inside_hook():
            returned = hook(
                experiment=run.experiment, phase=run.phase, results=run.results, **context
            )
        if returned is None:
            return
        for result in _as_results(returned, _owner(hook)):
            result.bind_scope(
                callback_label=_owner(hook).label,
                phase_label=run.phase.label,
                epoch_idx=epoch,
                batch_idx=batch,
                edge=edge,
            )
            run.keep_result(result)


def show_error(
    error: BaseException,
    callbacks: Iterable[Callback],
    inside_hook: Callable[[], AbstractContextManager[None]],
    **facts: Any,
) -> None:
    """Call `on_exception`. A callback that fails over the error is noted on the error itself."""
    for hook in overriding(callbacks, "on_exception", Callback):
        try:
            with inside_hook():
                hook(exception=error, **facts)
        except Exception as second:  # noqa: BLE001 - the first error is the one to be seen
            error.add_note(f"The callback {_owner(hook).label!r} failed too: {second!r}")


def in_order(callbacks: Iterable[Callback]) -> list[Callback]:
    """As they are called."""
    return sorted(callbacks, key=lambda each: each.execution_order)


def _owner(hook: Hook) -> Any:
    return hook.__self__  # type: ignore[attr-defined]  # hooks are methods


def _as_results(returned: Any, owner: Any) -> list[CallbackResult]:
    if isinstance(returned, CallbackResult):
        return [returned]
    if isinstance(returned, list) and all(isinstance(one, CallbackResult) for one in returned):
        return returned
    name = getattr(owner, "metric_name", None)
    if name is not None and isinstance(returned, int | float):
        return [MetricResult(metric_name=name, metric_value=float(returned))]
    return [PayloadResult(payload=returned)]
