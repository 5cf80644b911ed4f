"""One process's work on a run, from the transaction that begins it to the one that ends it."""

import atexit
import os
import threading
import warnings
from collections.abc import Callable

from sqlalchemy.orm import Session

from tracker.errors import NotFoundError, StateError, TrackerError
from tracker.recording.endings import Ending, ending_at_exit, uncaught_error
from tracker.recording.heartbeat import Heartbeat
from tracker.recording.place import Place
from tracker.recording.points import PointWriter
from tracker.recording.signals import terminations
from tracker.registry.positions import SESSION_END
from tracker.registry.sessions import STOP_ASKED, beat, end_own_session


class OpenSession:
    """A session that a committed transaction has begun: it beats, writes points, and ends once.

    Only the process that began it can end it; a forked child may write points.
    """

    def __init__(self, place: Place, run_id: int, session_id: int) -> None:
        self.id = session_id
        self.points = PointWriter(place.database.path, run_id, session_id, self._revive)
        self._place = place
        self._process = os.getpid()
        self._error_before = uncaught_error()
        self._ending = threading.Lock()
        self.ended = False
        self._heartbeat = Heartbeat(place.database.path, session_id)
        self._heartbeat.start()
        terminations.hold()
        _open_sessions.add(self)

    @property
    def is_ours(self) -> bool:
        """False in a forked child."""
        return os.getpid() == self._process

    def stop_asked(self) -> bool:
        """Whether somebody has asked this session to stop, or has taken its run over."""
        answer = self.points.ask(STOP_ASKED, (self.id,))
        if answer is None:
            return True
        is_open = self.points.ask(SESSION_END, (self.id,)) == (None,)
        return bool(answer[0]) or not (is_open or self._revive())

    def end(self, ending: Ending, also: Callable[[Session], None] | None = None) -> bool:
        """Records the end, and in the same transaction whatever `also` writes.

        False, and nothing, a second time and in a forked child. A StateError of `also` leaves
        the record as it is, and the session is let go of: somebody else has its run.
        """
        if not self.is_ours:
            self.points.close()
            return False
        with self._ending:
            if self.ended:
                return False
            try:
                self._record(ending, also)
            except (NotFoundError, StateError):
                self._let_go()  # deleted, or another's: there is nothing to try again
                raise
            self._let_go()
        return True

    def _record(self, ending: Ending, also: Callable[[Session], None] | None) -> None:
        with self._place.database.write() as session:
            end_own_session(
                session,
                self.id,
                ending.status,
                exit=ending.exit,
                reason=ending.reason,
                traceback=ending.traceback,
            )
            if also is not None:
                also(session)

    def end_at_exit(self) -> None:
        self.end(ending_at_exit(self._error_before))

    def _let_go(self) -> None:
        self.ended = True
        _open_sessions.discard(self)
        self._heartbeat.stop()
        self.points.close()
        terminations.release()

    def _revive(self) -> bool:
        """Takes back a wrong report of this process's death; False if another has gone on."""
        if self.ended or not self.is_ours:
            return False
        with self._place.database.write() as session:
            return not beat(session, self.id).superseded


_open_sessions: set[OpenSession] = set()


@atexit.register
def _end_all() -> None:
    for session in list(_open_sessions):
        if not session.is_ours:
            continue
        try:
            session.end_at_exit()
        except TrackerError as error:
            warnings.warn(
                f"Labkeeper could not record the end of a run: {error}",
                RuntimeWarning,
                stacklevel=1,
            )
