"""What the tests of the local Scheduler share."""

from collections.abc import Iterator

import pytest

from tests.memory_registry import MemoryRegistry
from tests.unit.local_scheduler.jobs_api import NOW, Api


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    memory = MemoryRegistry(now=lambda: NOW)
    memory.put_image("foo/job", "1.0")
    with memory.http:
        yield memory


@pytest.fixture
def api(registry: MemoryRegistry) -> Api:
    return Api(registry)
