"""Faults of the disk and the clock, put under one node without any privilege.

A small C library (shim.c, compiled when a run begins) is loaded into the node's process by LD_PRELOAD. It makes syncs
slow, hang or fail, writes fail, clocks jump or run fast, and can kill the process at the k-th sync. Orders go through a
page of shared memory, one per node, so that they take effect at once and need no answer from the node.

Start with `page` (what can be ordered), then `compiled` (compiling, and proving that it works here), then shim.c.
"""
