"""What the state machine answers: plain tuples of atoms, which travel as they are.

A reply is `(code, revision, slot, ...)`; more fields may follow in later versions.

    put, cas         (APPLIED, revision, slot)
    delete           (APPLIED, revision, slot, deleted)          deleted: 1 if the key existed, else 0
    open_session     (APPLIED, revision, slot, session)          session: the id of the new session, from 1
    close_session    (APPLIED, revision, slot)
    cas              (COMPARE_FAILED, revision, slot, record)    record: the present one, None if the key is absent
    any refusal      (code, revision, slot)                      nothing was executed

revision: of the store right after the command. slot: where the command was first applied; a retry is told the same.
"""

from __future__ import annotations

from typing import Any

Reply = tuple[Any, ...]

APPLIED = 0
COMPARE_FAILED = 1
"""The condition of a cas did not hold: nothing changed. An outcome like APPLIED: it is kept for retries."""
SESSION_EXPIRED = 2
"""The session does not exist: it expired, was closed, or never was. An earlier copy of the write may have run."""
SEQ_ACKNOWLEDGED = 3
"""The client has confirmed the reply of this number, so this is a late copy."""
TOO_MANY_REPLIES = 4
"""The session keeps as many replies as it may: the client has to confirm some. A later retry may run."""
TOO_MANY_SESSIONS = 5
"""No room for another session until one is closed or expires."""
