"""Where recipes keep their keys."""

from __future__ import annotations

from paxoskv.client.calls.base import Text
from paxoskv.client.keys import to_key
from paxoskv.errors import BadRequest


def directory(name: Text, kind: str) -> bytes:
    """Return the prefix of all keys of a recipe: `NAME/.KIND/`.

    No such prefix begins another one, since a name has no part that begins with a dot. Raises: BadRequest.
    """
    prefix = to_key(name)
    if b"/." in prefix or prefix.startswith(b"."):
        raise BadRequest(f"the name {name!r:.80} has a part that begins with a dot: recipes keep their keys there")
    return prefix + f"/.{kind}/".encode()
