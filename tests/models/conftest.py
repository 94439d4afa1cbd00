"""Every test here draws the same random numbers, whichever ran before it."""

from __future__ import annotations

import zlib

import keras
import pytest


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """Seed what is shared by several tests by its own name: whichever comes first makes it."""
    _seed(f"{fixturedef.baseid}::{fixturedef.argname}::{request.node.nodeid}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Seed each test by its name."""
    _seed(item.nodeid)


def _seed(name: str) -> None:
    keras.utils.set_random_seed(zlib.crc32(name.encode()))
