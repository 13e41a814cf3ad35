"""What deploy/ holds must work with the command line and the configuration as they are."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import click
import pytest

from paxoskv.cli.app import root
from paxoskv.node.config import NodeConfig, load, settings
from paxoskv.node.exits import QUARANTINED, USAGE

DEPLOY = Path(__file__).parents[1] / "deploy"
EXAMPLE = DEPLOY / "node.example.toml"
DEFAULT_LINE = re.compile(r"^# (?=(\w+) = )", re.MULTILINE)
NOT_A_DEFAULT = {"phase2_quorum"}
"""Settings whose line shows a possible value, since TOML cannot write "not set"."""


class UnitParser(configparser.ConfigParser):
    """Keeps the capitals of a unit's keys."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    """The [Service] section of the systemd unit."""
    unit = UnitParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    unit.read_string((DEPLOY / "paxoskv@.service").read_text(encoding="utf-8"))
    return unit["Service"]


def test_the_unit_starts_a_command_that_exists_with_options_that_exist(service: configparser.SectionProxy) -> None:
    program, verb, *arguments = shlex.split(service["ExecStart"])
    command = root.get_command(click.Context(root), verb)
    assert Path(program).name == "paxoskv"
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("-")} == {"--config", "--dir"} <= known


def test_the_unit_writes_where_it_may_and_its_bootstrap_is_a_setting(service: configparser.SectionProxy) -> None:
    unit = (DEPLOY / "paxoskv@.service").read_text(encoding="utf-8")
    assert f"--dir %S/{service['StateDirectory']}" in service["ExecStart"]
    assert f"echo {settings()['bootstrap'].variable}=true" in unit
    assert EXAMPLE.name in unit


def test_the_unit_does_not_restart_what_a_restart_cannot_heal(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == {USAGE, QUARANTINED}


def test_the_example_is_a_valid_configuration() -> None:
    config = load({}, {}, EXAMPLE)
    assert (config.node, sorted(config.cluster), config.bootstrap) == (1, [1, 2, 3], False)


def test_the_example_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    """Taking all comment signs away changes nothing: what the comments show is what holds without them."""
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = set(re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE))
    assert shown == {setting.key for setting in settings().values()}
    spelled_out = tmp_path / "node.toml"
    spelled_out.write_text(DEFAULT_LINE.sub(lambda match: match[0] if match[1] in NOT_A_DEFAULT else "", text))
    assert load({}, {}, spelled_out) == load({}, {}, EXAMPLE)


def test_the_example_shows_a_quorum_that_suits_five_nodes() -> None:
    """The comment beside phase2_quorum gives the arithmetic for 5 nodes."""
    cluster = {node: f"127.0.0.1:{7400 + node}" for node in range(1, 6)}
    config = NodeConfig(node=1, directory=Path("node1"), cluster=cluster, phase2_quorum=2)
    assert (config.quorums.phase2, config.quorums.phase1) == (2, 4)
