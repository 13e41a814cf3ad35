"""Not at random but every one: a kill at each sync, a flip of each byte.

`syncs` kills a node when it begins its k-th sync, for every k of a scripted life, and takes from its disk what had not
been synced. `bytes` flips every byte of every file of a stopped node. Both count what came of it.
"""
