"""Mutants of the blocking client and of the clusters for tests: interrupts, forks, and what is left behind."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_FORKS = "tests/sync/test_forks.py"
_INTERRUPTS = "tests/sync/test_interrupts.py"
_THREADS = "tests/sync/test_threads.py"
_FACE = "tests/sync/test_face.py"
_NODE = "tests/testing/test_node.py"
_PLUGIN = "tests/testing/test_plugin.py"

MUTANTS = (
    Mutant(
        "interrupted-call-goes-on",
        "P39",
        "a call that was interrupted is cancelled, so that its write is not sent again",
        (
            Edit(
                "sync/thread.py",
                "LoopThread.call",
                "if outcome.cancel():",
                "if False:",
            ),
        ),
        (_INTERRUPTS,),
        simulated=False,
    ),
    Mutant(
        "interrupt-reaches-nobody",
        "P39",
        "what cancels the waiting cancels the work",
        (
            Edit(
                "sync/thread.py",
                "LoopThread._on_outcome",
                "if outcome.cancelled():",
                "if False:",
            ),
        ),
        (_INTERRUPTS,),
        simulated=False,
    ),
    Mutant(
        "child-uses-its-parents-loop",
        "P38",
        "a call in a forked child ends with an error instead of waiting for a thread that is not there",
        (
            Edit(
                "sync/thread.py",
                "SharedLoop._on_forked",
                "self._thread = None",
                "pass",
            ),
        ),
        (_FORKS,),
        simulated=False,
    ),
    Mutant(
        "loop-outlives-its-clients",
        "P37",
        "the loop's thread ends with the last client",
        (
            Edit(
                "sync/thread.py",
                "SharedLoop.release",
                "thread.stop()",
                "pass",
            ),
        ),
        (_FACE,),
        simulated=False,
    ),
    Mutant(
        "stopped-loop-does-not-linger",
        "P37",
        "what runs when a loop is stopped may end by itself",
        (
            Edit(
                "sync/thread.py",
                "LoopThread._serve",
                "await asyncio.wait(others, timeout=LINGER_S)",
                "pass",
            ),
        ),
        (_THREADS,),
        simulated=False,
    ),
    Mutant(
        "killed-tests-leave-a-directory",
        "P37",
        "the proxies remove what a killed test run has left",
        (
            Edit(
                "testbed/links/process.py",
                "Proxies.clean_up",
                "for directory in self._swept:",
                "for directory in ():",
            ),
        ),
        (_PLUGIN,),
        simulated=False,
    ),
    Mutant(
        "proxies-die-with-their-group",
        "P37",
        "a kill of the whole group of processes leaves those that clean up alive",
        (
            Edit(
                "testbed/links/network.py",
                "Network.open",
                "start_new_session=True,",
                "start_new_session=False,",
            ),
        ),
        (_PLUGIN,),
        simulated=False,
    ),
    Mutant(
        "node-in-tests-keeps-its-directory",
        "P37",
        "a node inside the process of a test removes its files",
        (
            Edit(
                "testing/single.py",
                "NodeEngine._clean_up",
                "shutil.rmtree(self._directory)",
                "pass",
            ),
        ),
        (_NODE,),
        simulated=False,
    ),
)
