"""A throwaway cluster of real processes that can be broken on purpose, without any privilege.

Nodes are killed and paused by signals, links go through a proxy each, disks and clocks through a small library under
the process. `paxoskv.verifier` torments such clusters to judge the store, `paxoskv.testing` hands them to users' tests;
`paxoskv cluster` is for clusters that are to stay and has a layout of its own.

What it never does: decide what to break, judge, or leave a process behind, also when its own process is killed (Linux).

Where to start reading: `cluster` (the nodes), `process` (one of them), `links` (a network of proxies), `shim` (a disk
and clocks that obey), `ports`.
"""
