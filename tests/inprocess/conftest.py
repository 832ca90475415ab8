"""Commands and publish() in this process: no network, no container, no time that passes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.inprocess.stage import Stage, staged
from tests.unit.conftest import _alone

__all__ = ["_alone"]  # a fixture of another module


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop for applications."""
    with start_blocking_portal() as running:
        yield running


@pytest.fixture
def stage(tmp_path: Path, portal: BlockingPortal) -> Iterator[Stage]:
    """A domain whose scans end at once and find nothing."""
    with staged(tmp_path, portal) as found:
        yield found
