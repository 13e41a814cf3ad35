"""Bytes on TCP: frames, the client protocol, the messages of peers, and the links they travel on.

It moves and validates; it decides nothing. Start with `frames`, then `protocol` (clients) and `codec` (peers).
"""
