"""The parts of the latency measurement: what it sends arrives, and its figures are medians of rounds."""

from __future__ import annotations

import asyncio
import threading

from scripts.fuzz.latency import HOST, Assault, Latencies, _assail, _swallow, ratios, summary
from tests.support import PortLease, eventually


async def test_the_generator_sends_until_it_is_told_to_end() -> None:
    received: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            received.append(data)
        writer.close()

    server = await asyncio.start_server(take, HOST, 0)
    ended = threading.Event()
    port = server.sockets[0].getsockname()[1]
    assault = asyncio.create_task(_assail(Assault((port,), frames_per_s=5_000.0, seed=1), ended))
    await eventually(lambda: sum(map(len, received)) > 10_000)
    ended.set()
    await assault
    server.close()
    await server.wait_closed()


async def test_the_generator_goes_on_while_nobody_listens_and_the_sink_ends(ports: PortLease) -> None:
    ended = threading.Event()
    [port] = ports.take(1)
    assault = asyncio.create_task(_assail(Assault((port,), frames_per_s=5_000.0, seed=1), ended))
    sink = asyncio.create_task(_swallow(port, ended))
    await asyncio.sleep(0)
    ended.set()
    await asyncio.gather(assault, sink)


def test_figures_are_medians_of_the_rounds() -> None:
    rounds = [Latencies([0.001, 0.002, 0.003], [0.004]), Latencies([0.010], [0.004]), Latencies([0.020], [0.004])]
    quiet = summary(rounds)
    assert (quiet["put_p50_ms"], quiet["get_p99_ms"], quiet["ops"]) == (10.0, 4.0, 8)
    assert ratios({"put_p50_ms": 15.0, "ops": 1}, quiet) == {"put_p50_ms": 1.5}
