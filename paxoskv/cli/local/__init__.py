"""Clusters on this machine: directories, processes and signals behind `paxoskv cluster`.

    DIR/cluster.json     what was chosen when the cluster was born; every later start uses it
    DIR/nodeN.toml       configuration of node N, made once, then the user's to edit
    DIR/nodeN            data directory of node N
    DIR/nodeN.log        its output, the one before in nodeN.log.1

A node is born once. `up` makes all journals before any node runs, notes in cluster.json that they exist, and from then
on no node is ever bootstrapped: one whose directory vanished refuses to start, since its promises are lost (P3).
The state of the cluster is never remembered: a node runs while its directory's lock is held, by the process that the
lock names. So a recycled process number is never signalled, and every command works from every terminal.

Where to start reading: `layout` (the files), `processes` (start, signal, wait), `startup` (from files to a leader),
`foreground` (what `up` does until Ctrl-C).
"""
