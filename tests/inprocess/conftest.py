"""Commands and publish() in this process: no network, no container, no time that passes."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.inprocess.stage import MakeStage, Stage, staged
from tests.unit.conftest import _alone, _shared_folder

__all__ = ["_alone", "_shared_folder"]  # fixtures of another module


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop for applications."""
    with start_blocking_portal() as running:
        yield running


@pytest.fixture
def make_stage(tmp_path: Path, portal: BlockingPortal) -> Iterator[MakeStage]:
    """Sets a stage with options of its own, in a folder of its own."""
    with ExitStack() as stack:

        def make(**options: Any) -> Stage:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            return stack.enter_context(staged(folder, portal, **options))

        yield make


@pytest.fixture
def stage(tmp_path: Path, portal: BlockingPortal) -> Iterator[Stage]:
    """A domain whose scans end at once and find nothing."""
    with staged(tmp_path, portal) as found:
        yield found
