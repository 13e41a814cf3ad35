"""Leases: kept alive in the background, lost by our own clock when that fails, never believed in for too long (P24)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from paxoskv import client
from paxoskv.client.keeper import Kept
from paxoskv.errors import (
    BadRequest,
    LeaseLost,
    LeaseNotFound,
    OutcomeUnknown,
    Overloaded,
    TooManyLeaseKeys,
    TooManyLeases,
)
from paxoskv.kv import replies
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from tests.client.fake import FakeNode, FakeStore, apply_and_drop, drop, hold, refuse, reply
from tests.support import eventually

PATIENCE_S = 30.0
LONG_S = 600.0
"""A lease of such a length is not due for renewal during a test."""


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all clients that are entered after this."""
    clock = Clock()
    monkeypatch.setattr("paxoskv.client.client.boot_s", clock)
    return clock


def wake(kv: client.Client) -> None:
    """Let the keeper of a client look at the clock."""
    kv._wire.keeper._wake.set()


class TestByHand:
    """Grant, keep alive, revoke, look: by both clients."""

    pytestmark = pytest.mark.usefixtures("each_client")

    async def test_a_life(self, node: FakeNode) -> None:
        async with client.connect(node.endpoint) as kv:
            granted = await kv.grant(7.5)
            await kv.put("a", "v", lease=granted.lease)
            await kv.put_many({"b": "v", "c": "v"}, lease=granted.lease)
            await kv.put("c", "w")
            assert (granted.lease, granted.ttl_s) == (1, 7.5)
            assert await kv.keep_alive(granted.lease) == 7.5
            node.store.pass_time(2.5)
            assert await kv.time_to_live(1) == client.LeaseInfo(1, 7.5, 5.0, 2, (b"a", b"b"))
            assert [lease async for lease in kv.leases()] == [client.LeaseInfo(1, 7.5, 5.0, 2)]
            assert (await kv.revoke(1)).deleted == 2
            assert (await kv.get("a")).entry is None
            assert (await kv.get("c")).value == b"w", "it was attached to no lease any more"

    async def test_a_lease_that_is_not_there(self, node: FakeNode) -> None:
        async with client.connect(node.endpoint) as kv:
            for call in (kv.keep_alive, kv.revoke, kv.time_to_live):
                with pytest.raises(LeaseNotFound, match="does not exist"):
                    await call(9)
            with pytest.raises(LeaseNotFound):
                await kv.put("k", "v", lease=9)
            assert node.store.machine.keys == 0

    async def test_a_key_may_keep_its_lease(self, node: FakeNode) -> None:
        async with client.connect(node.endpoint) as kv:
            lease = (await kv.grant(10)).lease
            await kv.put("k", "v", lease=lease)
            await kv.put("k", "w", keep_lease=True)
            found = (await kv.get("k")).entry
            assert found is not None
            assert (found.value, found.lease) == (b"w", lease)
            with pytest.raises(BadRequest, match="KEEP_LEASE"):
                await kv.put("k", "x", keep_lease=True, lease=lease)

    async def test_many_leases_and_many_keys_come_in_pages(self, node: FakeNode) -> None:
        async with client.connect(node.endpoint) as kv:
            for _ in range(250):
                await kv.grant(10)
            assert [lease.lease async for lease in kv.leases()] == list(range(1, 251))
            for page in range(11):
                await kv.put_many({f"{page:02}/{number:03}": "v" for number in range(100)}, lease=7)
            info = await kv.time_to_live(7)
            assert (info.key_count, len(info.keys), info.keys[-1]) == (1100, 1100, b"10/099")

    @pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e300])
    async def test_impossible_times_to_live(self, node: FakeNode, ttl_s: float) -> None:
        async with client.connect(node.endpoint) as kv:
            with pytest.raises(BadRequest, match="time to live"):
                await kv.grant(ttl_s)

    async def test_times_beyond_the_nodes_limits_are_refused_by_it(self, node: FakeNode) -> None:
        async with client.connect(node.endpoint) as kv:
            with pytest.raises(BadRequest, match="a lease lives for 500 to"):
                await kv.grant(0.1)

    async def test_room_for_leases_and_their_keys_is_limited(self, node: FakeNode) -> None:
        node.store = FakeStore(KvLimits(leases_max=1, lease_keys_max=1))
        async with client.connect(node.endpoint) as kv:
            lease = (await kv.grant(10)).lease
            with pytest.raises(TooManyLeases):
                await kv.grant(10)
            await kv.put("a", "v", lease=lease)
            with pytest.raises(TooManyLeaseKeys):
                await kv.put("b", "v", lease=lease)

    async def test_a_grant_whose_answer_is_lost_is_made_once(self, node: FakeNode) -> None:
        """P25: else every failover would leave leases that nobody knows."""
        node.plan["grant"].append(apply_and_drop)
        async with client.connect(node.endpoint) as kv:
            assert (await kv.grant(10)).lease == 1
            assert node.store.machine.leases == 1

    async def test_a_renewal_may_be_repeated(self, node: FakeNode) -> None:
        node.plan["keep_alive"].extend([apply_and_drop, drop, refuse(protocol.OUTCOME_UNKNOWN)])
        async with client.connect(node.endpoint) as kv:
            lease = (await kv.grant(10)).lease
            assert await kv.keep_alive(lease) == 10
        assert len(node.received("keep_alive")) == 4


async def test_a_block_holds_a_lease(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        async with kv.lease(LONG_S) as lease:
            await kv.put("k", "v", lease=lease)
            assert (lease.id, lease.ttl_s, lease.is_lost, lease.lost.is_set()) == (1, LONG_S, False, False)
            lease.check()
            with pytest.raises(RuntimeError, match="entered once"):
                await lease.__aenter__()
        assert node.store.machine.leases == 0
        assert node.store.machine.keys == 0
        assert lease.is_lost
        with pytest.raises(RuntimeError, match="not entered"):
            _ = kv.lease(1).id


async def test_renewals_of_many_leases_travel_together(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        leases = [kv.lease(0.6) for _ in range(100)]
        await asyncio.gather(*(lease.__aenter__() for lease in leases))

        def renewed() -> set[int]:
            return {lease for fields in map(decoded, node.received("keep_alive")) for lease in fields}

        await eventually(lambda: renewed() == set(range(1, 101)), PATIENCE_S)
        assert len(node.received("keep_alive")) < 50
        await asyncio.gather(*(lease.end() for lease in leases))
        assert not any([lease async for lease in kv.leases()])


def decoded(payload: bytes) -> tuple[int, ...]:
    """Return the leases that a command keeps alive."""
    command = protocol.decode(protocol.decode(payload)[2])
    return protocol.decode(command[4])


async def test_a_lease_lives_through_failovers(trio: list[FakeNode]) -> None:
    async with client.connect(",".join(node.endpoint for node in trio)) as kv, kv.lease(0.9) as lease:
        await eventually(lambda: trio[0].received("keep_alive"), PATIENCE_S)
        trio[1].point_to(trio[1])
        trio[2].point_to(trio[1])
        await trio[0].stop()
        await eventually(lambda: len(trio[1].received("keep_alive")) >= 2, PATIENCE_S)
        assert not lease.is_lost


async def test_without_a_renewal_it_is_lost_by_our_own_clock(node: FakeNode, clock: Clock) -> None:
    """P24: counted from before the grant was sent, whatever the store says, and before anybody had time to notice."""
    node.always["keep_alive"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint) as kv:
        lease = await kv.lease(10).__aenter__()
        clock.now_s += 9.9
        assert not has_run_out(lease)
        clock.now_s += 0.1
        assert has_run_out(lease), "a program that stood still asks before it goes on"
        assert not lease.lost.is_set()
        wake(kv)
        await asyncio.wait_for(lease.lost.wait(), PATIENCE_S)
        with pytest.raises(LeaseLost, match="ran out without a renewal"):
            await lease.__aexit__(None, None, None)


def has_run_out(lease: client.Lease) -> bool:
    """Return what `is_lost` and `check` say, which is the same."""
    try:
        lease.check()
    except LeaseLost:
        return lease.is_lost
    return lease.is_lost


async def test_a_renewal_counts_from_when_it_was_sent(node: FakeNode, clock: Clock) -> None:
    node.always["keep_alive"] = hold
    async with client.connect(node.endpoint) as kv:
        lease = await kv.lease(10).__aenter__()
        clock.now_s += 4
        wake(kv)
        await eventually(lambda: node.held, PATIENCE_S)
        clock.now_s += 5
        node.release()
        await eventually(lambda: kept(lease).expires_s == 1014, PATIENCE_S)
        clock.now_s += 4.9
        assert not has_run_out(lease), "9.9 s after the renewal was sent"
        clock.now_s += 0.2
        assert has_run_out(lease)


def kept(lease: client.Lease) -> Kept:
    """Return what the keeper knows of a lease."""
    assert lease._kept is not None
    return lease._kept


async def test_a_lease_that_the_store_does_not_know_is_lost_at_once(node: FakeNode, clock: Clock) -> None:
    async with client.connect(node.endpoint) as kv:
        lease = await kv.lease(10).__aenter__()
        node.store.pass_time(10.001)
        clock.now_s += 3.4
        wake(kv)
        await asyncio.wait_for(lease.lost.wait(), PATIENCE_S)


async def test_other_leases_are_renewed_while_one_renewal_hangs(node: FakeNode, clock: Clock) -> None:
    async with client.connect(node.endpoint) as kv, kv.lease(30) as slow:
        clock.now_s += 10
        node.plan["keep_alive"].append(hold)
        wake(kv)
        await eventually(lambda: node.held, PATIENCE_S)
        async with kv.lease(3) as quick:
            clock.now_s += 1.1
            wake(kv)
            await eventually(lambda: len(node.received("keep_alive")) == 2, PATIENCE_S)
            assert decoded(node.received("keep_alive")[1]) == (quick.id,)
            await eventually(lambda: kept(quick).expires_s == clock.now_s + 3, PATIENCE_S)
        node.release()
        await eventually(lambda: not kept(slow).is_renewing, PATIENCE_S)


async def test_an_error_of_the_block_is_not_hidden_by_a_lost_lease(node: FakeNode, clock: Clock) -> None:
    async def story(kv: client.Client) -> None:
        async with kv.lease(10):
            clock.now_s += 11
            raise ZeroDivisionError

    async with client.connect(node.endpoint) as kv:
        with pytest.raises(ZeroDivisionError):
            await story(kv)


async def test_a_lease_that_cannot_be_revoked_ends_by_itself(node: FakeNode) -> None:
    node.always["revoke"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint, timeout_s=0.2) as kv, kv.lease(LONG_S):
        pass
    assert node.store.machine.leases == 1


async def test_closing_the_client_loses_its_leases_and_leaves_no_task(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        lease = kv.lease(LONG_S)
        await lease.__aenter__()
        assert len(asyncio.all_tasks()) == 3, "the test, the navigator, the keeper"
    assert lease.lost.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_keeper_goes_with_the_last_lease(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for _ in range(3):
            async with kv.lease(LONG_S):
                assert len(asyncio.all_tasks()) >= 3
            await eventually(lambda: len(asyncio.all_tasks()) == 2, PATIENCE_S)


async def test_a_cancelled_entry_keeps_nothing_alive(node: FakeNode) -> None:
    node.plan["grant"].append(hold)
    async with client.connect(node.endpoint) as kv:
        entering = asyncio.ensure_future(kv.lease(10).__aenter__())
        await eventually(lambda: node.held, PATIENCE_S)
        entering.cancel()
        await asyncio.wait([entering])
        node.release()
        await kv.get("k")
        assert node.received("keep_alive") == []


@pytest.mark.parametrize(
    ("wrong", "raised"), [(refuse(protocol.OVERLOADED, 1), Overloaded), (reply(replies.TOO_MANY_LEASES), TooManyLeases)]
)
async def test_an_entry_that_fails_says_why(
    node: FakeNode, wrong: Callable[..., None], raised: type[Exception]
) -> None:
    node.always["grant"] = wrong
    async with client.connect(node.endpoint, timeout_s=0.2) as kv:
        with pytest.raises(raised):
            await kv.lease(10).__aenter__()


async def test_a_grant_in_doubt_is_told_as_such(node: FakeNode) -> None:
    node.always["grant"] = drop
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.grant(10)
