"""A network that can be broken: one small proxy per directed link, in a process of their own.

Node 1 dials the proxy `1>2` instead of node 2 (the setting `routes`), clients dial `c>2`. What travels from 1 to 2 is
treated as the direction `1>2` says, what comes back on the same connection as `2>1` says. The proxies cut the stream
at frames, so that a frame can be lost, late, doubled, overtaken or damaged while its neighbours are whole.

`disturbance` (what can be done to a frame), `wire` (one direction of one connection), `link` (one listener),
`process` (the proxies' process) and `network` (its face to the owner of the cluster).
"""
