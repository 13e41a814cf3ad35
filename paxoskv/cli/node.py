"""`node`: one server in this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path

import click

from paxoskv import node
from paxoskv.cli.failures import USAGE, Failure
from paxoskv.node.config import ConfigError, NodeConfig, load, settings


def _setting_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add one option per setting, named after it. Their texts are parsed by the setting itself."""
    for name, setting in reversed(settings().items()):
        default = NodeConfig.__dataclass_fields__[name].default
        known = "" if default in (MISSING, None, "", False) else f" ({default})"
        text = f"{setting.help[0].upper()}{setting.help[1:]}: {setting.expected()}{known}."
        if setting.kind is bool:
            option = click.option(setting.flag, setting.key, is_flag=True, help=text)
        else:
            option = click.option(setting.flag, setting.key, default=None, metavar="X", help=text)
        command = option(command)
    return command


@click.command("node")
@click.option("--config", "file", type=click.Path(path_type=Path), default=None, help="TOML file with settings.")
@_setting_options
def node_command(file: Path | None, **flags: str | bool | None) -> int:
    """Run one server until SIGTERM or Ctrl-C.

    Every setting may be a flag, an environment variable (PAXOSKV_NODE, PAXOSKV_DIR, ...) or a key in the file
    (node, dir, ...); the first of them counts.
    """
    try:
        config = load(flags, os.environ, file)
    except ConfigError as error:
        raise Failure(USAGE, "usage", str(error)) from None
    if config.insecure:
        click.echo(_warning(config), err=True)
    return node.run(config)


def _warning(config: NodeConfig) -> str:
    return (
        f"paxoskv: warning: node {config.node} listens on {config.listen_client} and {config.listen_peer} without TLS "
        "or passwords, because insecure is set: whoever reaches these ports can read and change everything"
    )
