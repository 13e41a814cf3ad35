"""Sessions: what the state remembers of its clients, so that a write happens once (P25)."""

from __future__ import annotations

from collections import OrderedDict

from paxoskv.kv.limits import KvLimits
from paxoskv.kv.replies import BARE_ITEMS, Reply, held_bytes


class Session:
    """What one client has asked for and not confirmed yet.

    acked: every number up to it is settled: its reply has arrived, or will not be asked for. Only grows.
    active_ms: log time of the last command. replies: by the number of the write, all above `acked`.
    reply_bytes: of the keys and values in `replies`: of failed compares, and of what was asked for with a write.
    """

    __slots__ = ("acked", "active_ms", "replies", "reply_bytes")

    def __init__(self, active_ms: int) -> None:
        self.acked = 0
        self.active_ms = active_ms
        self.replies: dict[int, Reply] = {}
        self.reply_bytes = 0

    def acknowledge(self, acked: int) -> None:
        """Forget the replies up to the number `acked`, which is mostly the next one."""
        if acked == self.acked + 1:
            self._forget(acked)
        elif acked <= self.acked:
            return
        elif acked - self.acked <= len(self.replies):
            for seq in range(self.acked + 1, acked + 1):
                self._forget(seq)
        else:  # a client may jump by 2**62: never count further than what is there
            for seq in [seq for seq in self.replies if seq <= acked]:
                self._forget(seq)
        self.acked = acked

    def _forget(self, seq: int) -> None:
        reply = self.replies.pop(seq, None)
        if reply is not None and len(reply) > BARE_ITEMS:
            self.reply_bytes -= held_bytes(reply)

    def keep(self, seq: int, reply: Reply) -> None:
        """Remember the reply of the write `seq` until it is acknowledged."""
        self.replies[seq] = reply
        if len(reply) > BARE_ITEMS:
            self.reply_bytes += held_bytes(reply)


class Sessions:
    """The open sessions, ordered by their last activity in log time.

    opened: how many were opened so far, which is the id of the newest. Ids are never reused, so a late copy of an
    `open_session` makes a session that nobody uses, and cannot revive one that has expired.
    """

    __slots__ = ("_by_activity", "_limits", "opened")

    def __init__(self, limits: KvLimits) -> None:
        self.opened = 0
        self._limits = limits
        self._by_activity: OrderedDict[int, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_activity)

    @property
    def next_expiry_ms(self) -> int | None:
        """Log time at which the session that was idle for longest expires, None if there is no session."""
        if not self._by_activity:
            return None
        oldest = next(iter(self._by_activity.values()))
        return oldest.active_ms + self._limits.session_idle_ms + 1

    def open(self, now_ms: int) -> int | None:
        """Return the id of a new session, None if there is no room for one."""
        if len(self._by_activity) >= self._limits.sessions_max:
            return None
        self.opened += 1
        self._by_activity[self.opened] = Session(now_ms)
        return self.opened

    def touch(self, session_id: int, now_ms: int) -> Session | None:
        """Return a session, alive for another idle time from `now_ms` on; None if it does not exist (any more)."""
        session = self._by_activity.get(session_id)
        if session is not None and session.active_ms != now_ms:
            session.active_ms = now_ms
            self._by_activity.move_to_end(session_id)
        return session

    def has_room(self, session: Session, seq: int) -> bool:
        """Whether the session may keep the reply of the write `seq`.

        There always is room for the one after those that are acknowledged: the acknowledgement of all others that are
        kept waits for it, so that without it a full session would stay full for ever.
        """
        limits = self._limits
        if len(session.replies) < limits.session_replies_max and session.reply_bytes < limits.session_reply_bytes_max:
            return True
        return seq == session.acked + 1

    def close(self, session_id: int) -> None:
        """Forget an open session and its replies."""
        del self._by_activity[session_id]

    def expire(self, now_ms: int) -> None:
        """Forget every session that has been idle for longer than its time, oldest first (P26)."""
        idle_since_ms = now_ms - self._limits.session_idle_ms
        while self._by_activity:
            session_id, oldest = next(iter(self._by_activity.items()))
            if oldest.active_ms >= idle_since_ms:
                return
            del self._by_activity[session_id]
