"""The torment of a real cluster: processes, sockets and files, broken on purpose while clients watch.

A run starts a throwaway cluster on free ports, lets clients work through the public client and records what they see,
injects faults by a plan made from a seed, heals everything, waits for the nodes to agree, reads every key back, and
judges: by the checker (linearizable), and by means that know nothing of it (no acknowledged write lost, no value that
nobody wrote, counters exact, digests equal, every node that had to end has ended, and no other).

What it never does: need a privilege, reach another machine, break more than a minority of the disks at a time, or call
passed what could not be injected. It does not share code with what it judges, but it runs on a
cluster of `paxoskv.testbed`, which starts nodes by their configuration and makes their first journals.

Where to start reading: `run` (the course of a run), `faults` (every kind, one declaration each), `torment` (the lanes
in which they come), `workload` (what clients do), `verdict` (what is judged). Below them: `observer`,
`report`, and `exhaustive` (every sync, every byte).
"""
