"""Configuration of a node: where settings come from, and every way to get them wrong (H18)."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from paxoskv.node.clock import boottime, clock_for
from paxoskv.node.config import ConfigError, NodeConfig, load, settings
from paxoskv.node.exits import USAGE, NodeFailure
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms

MEMBERS = "1=127.0.0.1:7401,2=127.0.0.1:7402,3=127.0.0.1:7403"
FLAGS = {"node": "1", "dir": "data", "cluster": MEMBERS}


def config(**given: Any) -> NodeConfig:
    """A valid configuration with some settings changed."""
    base: dict[str, Any] = {
        "node": 1,
        "directory": Path("data"),
        "cluster": {1: "127.0.0.1:7401", 2: "127.0.0.1:7402", 3: "127.0.0.1:7403"},
    }
    return NodeConfig(**{**base, **given})


def write(directory: Path, text: str) -> Path:
    """A configuration file."""
    file = directory / "node.toml"
    file.write_text(text)
    return file


def test_the_least_that_must_be_told_is_enough() -> None:
    made = load(FLAGS, {})
    assert made.directory == Path("data")
    assert made.cluster == {1: "127.0.0.1:7401", 2: "127.0.0.1:7402", 3: "127.0.0.1:7403"}
    assert made.listen_client == made.advertise_client == "127.0.0.1:7301"
    assert made.listen_peer == "127.0.0.1:7401"
    assert made.addresses[3] == ("127.0.0.1", 7403)
    assert not made.bootstrap


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "window = 1\nheartbeat_s = 0.06\nlog_level = 'debug'\n")
    environ = {"PAXOSKV_WINDOW": "2", "PAXOSKV_HEARTBEAT_S": "0.07", "PAXOSKV_ENDPOINTS": "not a setting"}
    made = load({**FLAGS, "window": "3", "heartbeat_s": None}, environ, file)
    assert (made.window, made.heartbeat_s, made.log_level) == (3, 0.07, "debug")


def test_every_setting_has_one_name_in_its_three_forms() -> None:
    keys = [setting.key for setting in settings().values()]
    assert len(keys) == len(set(keys)) == len(fields(NodeConfig))
    assert settings()["directory"].variable == "PAXOSKV_DIR"
    assert settings()["listen_client"].flag == "--listen-client"


def test_everything_may_be_in_the_file(tmp_path: Path) -> None:
    made = load(
        {},
        {},
        write(
            tmp_path,
            f'node = 2\ndir = "d"\ncluster = "{MEMBERS}"\nbootstrap = true\nheartbeat_s = 1\nelection_timeout_s = 5',
        ),
    )
    assert (made.node, made.bootstrap, made.heartbeat_s, made.listen_client) == (2, True, 1.0, "127.0.0.1:7302")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("no", False), ("", False)])
def test_a_switch_in_the_environment_can_be_on_or_off(text: str, value: bool) -> None:
    assert load(FLAGS, {"PAXOSKV_BOOTSTRAP": text}).bootstrap is value


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("nodes = 1", "unknown setting nodes"),
        ("window = 'many'", "window must be a whole number"),
        ("window = true", "window must be a whole number"),
        ("window = 1.0", "window must be a whole number"),
        ("window = 0", "from 1 to 64"),
        ("window = 65", "from 1 to 64"),
        ("heartbeat_s = nan", "heartbeat_s must be a number"),
        ("heartbeat_s = inf", "heartbeat_s must be a number"),
        ("heartbeat_s = '0.05'", "heartbeat_s must be a number"),
        ("bootstrap = 1", "bootstrap must be true or false"),
        ("log_level = 'loud'", "one of debug, info"),
        ("cluster = ['127.0.0.1:7401']", "cluster must be a text like"),
        ("dir = 3", "dir must be a path"),
        ("dir = ''", "dir must be a path"),
        ("cluster_token = ''", "1 to 100 characters"),
        ("[node]\nnumber = 1", "node must be a whole number"),
        ("window = ", "is not TOML"),
        ("window = 1\nwindow = 2", "is not TOML"),
    ],
)
def test_an_error_in_the_file_names_the_file_and_the_setting(tmp_path: Path, content: str, complaint: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(ConfigError) as raised:
        load(FLAGS, {}, file)
    assert str(file) in str(raised.value)
    assert complaint in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read configuration") as raised:
            load(FLAGS, {}, file)
        assert str(file) in str(raised.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(FLAGS, {}, file)


@pytest.mark.parametrize(
    ("flags", "environ", "complaint"),
    [
        ({"window": "x"}, {}, "--window: window must be a whole number from 1 to 64, not 'x'"),
        ({}, {"PAXOSKV_WINDOW": "x"}, "PAXOSKV_WINDOW: window must be a whole number"),
        ({}, {"PAXOSKV_BOOTSTRAP": "maybe"}, "PAXOSKV_BOOTSTRAP: bootstrap must be true or false"),
        ({"node": None}, {}, "node is not set: give --node, PAXOSKV_NODE, or node in the file"),
        ({"dir": None}, {}, "dir is not set"),
        ({"cluster": None}, {}, "cluster is not set"),
        ({"node": "0"}, {}, "from 1 to 255"),
        ({"node": "256"}, {}, "from 1 to 255"),
        ({"node": "4"}, {}, "node 4 is not in the cluster list"),
        ({"dir": "a\0b"}, {}, "--dir: dir must be a path"),
        ({"listen_client": "7301"}, {}, "not HOST:PORT"),
        ({"listen_client": "127.0.0.1:0"}, {}, "not HOST:PORT"),
        ({"listen_client": "127.0.0.1:65536"}, {}, "not HOST:PORT"),
        ({"listen_client": "::1:7301"}, {}, "not HOST:PORT"),
    ],
)
def test_an_error_on_the_command_line_names_its_place(
    flags: dict[str, str | None], environ: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load({**FLAGS, **flags}, environ)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ("", "is not NODE=HOST:PORT"),
        ("127.0.0.1:7401", "is not NODE=HOST:PORT"),
        ("1=127.0.0.1:7401,", "is not NODE=HOST:PORT"),
        ("1=127.0.0.1", "not HOST:PORT"),
        ("0=127.0.0.1:7401", "is not NODE=HOST:PORT"),
        ("-1=127.0.0.1:7401", "is not NODE=HOST:PORT"),
        ("256=127.0.0.1:7401", "is not NODE=HOST:PORT"),
        ("1=127.0.0.1:7401,1=127.0.0.1:7402", "node 1 is listed twice"),
        ("1=127.0.0.1:7401,2=127.0.0.1:7401", "127.0.0.1:7401 is listed twice"),
    ],
)
def test_a_wrong_cluster_list_is_refused(members: str, complaint: str) -> None:
    """P34: two nodes with one number, or one address for two, never get as far as a connection."""
    with pytest.raises(ConfigError) as raised:
        load({**FLAGS, "cluster": members}, {})
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"election_timeout_s": 0.19}, "less than 4 times heartbeat_s"),
        ({"phase2_quorum": 4}, "phase2_quorum 4 does not suit 3 members"),
        ({"phase2_quorum": 0}, "phase2_quorum must be"),
        ({"value_bytes_max": 2 << 20}, "do not fit in one frame"),
        ({"batch_bytes_max": 4 << 20}, "does not fit in a frame between nodes"),
        ({"bytes_in_flight_max": 1 << 20}, "less than one large write"),
        ({"listen_client": "127.0.0.1:7401"}, "give each its own port"),
        ({"listen_client": "0.0.0.0:7301"}, "there is no TLS"),
        ({"listen_peer": "10.0.0.1:7401"}, "there is no TLS"),
        ({"listen_client": "example.org:7301"}, "there is no TLS"),
        ({"listen_client": "0.0.0.0:7301", "insecure": True}, "means every address and so none"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(**given)
    assert complaint in str(raised.value)


def test_a_relation_broken_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "election_timeout_s = 0.1")
    with pytest.raises(ConfigError, match="4 times heartbeat_s") as raised:
        load(FLAGS, {}, file)
    assert str(file) in str(raised.value)


def test_listening_to_other_machines_has_to_be_asked_for() -> None:
    made = config(listen_client="0.0.0.0:7301", advertise_client="10.0.0.1:7301", insecure=True)
    assert made.advertise_client == "10.0.0.1:7301"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.8.8.8:9", "[::1]:9", "localhost:9"])
def test_loopback_has_many_names(address: str) -> None:
    assert config(listen_client=address).listen_client == address


def test_flexible_quorums_are_allowed_as_long_as_they_meet() -> None:
    five = {node: f"127.0.0.1:{7400 + node}" for node in range(1, 6)}
    quorums = config(cluster=five, phase2_quorum=2).quorums
    assert (quorums.phase1, quorums.phase2) == (4, 2)


def test_the_cluster_id_does_not_depend_on_the_order_of_the_list() -> None:
    backwards = dict(reversed(list(config().cluster.items())))
    assert config(cluster=backwards).cluster_id == config().cluster_id == config(node=2).cluster_id


@pytest.mark.parametrize(
    "given",
    [
        {"cluster_token": "another"},
        {"cluster": {1: "127.0.0.1:7401", 2: "127.0.0.1:7402", 3: "127.0.0.1:7499"}},
        {"cluster": {1: "127.0.0.1:7401", 2: "127.0.0.1:7402"}},
        {"phase2_quorum": 3},
        {"session_idle_s": 60.0},
        {"sessions_max": 99},
        {"leases_max": 99},
        {"lease_reads": True},
    ],
)
def test_whatever_all_members_must_agree_on_changes_the_cluster_id(given: dict[str, Any]) -> None:
    """P34; and P26: replicas that expire sessions at different times would diverge."""
    assert config(**given).cluster_id != config().cluster_id


@pytest.mark.parametrize(
    "given",
    [
        {"history_events_max": 99},
        {"history_bytes_max": 9_999},
        {"txn_operations_max": 9},
        {"lease_ttl_s_min": 2.0},
        {"watches_max": 9},
        {"watches_per_connection_max": 9},
    ],
)
def test_what_members_may_differ_in_does_not_change_it(given: dict[str, Any]) -> None:
    assert config(**given).cluster_id == config().cluster_id


@pytest.mark.parametrize("given", [{"lease_s": 0.3}, {"clock_drift_max": 0.02}])
def test_what_a_lease_is_belongs_to_the_identity_where_leases_are_granted(given: dict[str, Any]) -> None:
    """P24: who has granted a longer one in an earlier life must not wait for a shorter one, nor forget it."""
    assert config(lease_reads=True, **given).cluster_id != config(lease_reads=True).cluster_id
    assert config(**given).cluster_id == config().cluster_id


def test_leases_are_granted_only_if_asked_for() -> None:
    assert config().lease == NO_LEASES
    assert config(lease_reads=True).lease == LeaseTerms(0.2, 0.01)


@pytest.mark.parametrize("lease_s", [0.09, 0.41])
def test_a_lease_lasts_for_some_heartbeats_and_no_longer_than_the_patience(lease_s: float) -> None:
    """A longer one would delay elections."""
    with pytest.raises(ConfigError, match="is not between 2 times heartbeat_s"):
        config(lease_reads=True, lease_s=lease_s)
    config(lease_s=lease_s)


def test_leases_need_a_clock_that_goes_on_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """P24."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    clock_for(leases=False)
    with pytest.raises(NodeFailure, match="CLOCK_BOOTTIME") as raised:
        clock_for(leases=True)
    assert raised.value.code == USAGE


def test_the_clock_of_a_lease_is_the_one_that_counts_suspended_time() -> None:
    assert clock_for(leases=True) is boottime
    assert clock_for(leases=False) is time.monotonic
    assert boottime() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=10)


def test_routes_say_where_to_dial_and_leave_the_identity_alone(tmp_path: Path) -> None:
    """Behind NAT a member is reached elsewhere than at its address in the list, which all members agree on (P34)."""
    made = load({**FLAGS, "routes": "2=192.0.2.7:9402"}, {})
    assert made.addresses == {1: ("127.0.0.1", 7401), 2: ("192.0.2.7", 9402), 3: ("127.0.0.1", 7403)}
    assert made.cluster_id == load(FLAGS, {}).cluster_id
    assert made.listen_peer == "127.0.0.1:7401"
    assert load(FLAGS, {}, write(tmp_path, "routes = ''")).routes == {}


@pytest.mark.parametrize(
    ("routes", "complaint"),
    [
        ("4=127.0.0.1:9", "routes names node 4, which is no other member of [1, 2, 3]"),
        ("1=127.0.0.1:9", "routes names node 1, which is no other member"),
        ("x=127.0.0.1:9", "routes: member 'x=127.0.0.1:9' is not NODE=HOST:PORT"),
        ("2=127.0.0.1:9,3=127.0.0.1:9", "routes: 127.0.0.1:9 is listed twice"),
    ],
)
def test_a_wrong_route_is_refused(routes: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load({**FLAGS, "routes": routes}, {})
    assert complaint in str(raised.value)


def test_a_majority_spelled_out_is_the_same_cluster() -> None:
    assert config(phase2_quorum=2).cluster_id == config().cluster_id


def test_limits_reach_the_state_machine() -> None:
    limits = config(key_bytes_max=10, value_bytes_max=20, session_idle_s=1.5).kv_limits
    assert (limits.key_bytes_max, limits.value_bytes_max, limits.session_idle_ms) == (10, 20, 1500)
