"""What `import paxoskv` offers."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import paxoskv

PROJECT = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8"))


def test_version_is_the_one_of_the_package() -> None:
    assert paxoskv.__version__ == PROJECT["project"]["version"]


def test_every_public_error_has_the_common_base() -> None:
    errors = [thing for thing in vars(paxoskv).values() if isinstance(thing, type) and issubclass(thing, Exception)]
    assert len(errors) == 20
    assert all(issubclass(error, paxoskv.PaxoskvError) for error in errors)


def test_everything_exported_exists() -> None:
    missing = [name for name in paxoskv.__all__ if not hasattr(paxoskv, name)]
    assert not missing


def test_type_checkers_find_our_types() -> None:
    """PEP 561. The wheel is made of the whole package, so what is here is there."""
    assert resources.files("paxoskv").joinpath("py.typed").is_file()
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["paxoskv"]}
