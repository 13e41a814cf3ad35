"""The calls of a client, a module for each family: what a program may ask, and how the answer becomes a result.

All of them derive from `base.Calls`, which knows the deadline, the key prefix and the guards of the view called.
"""
