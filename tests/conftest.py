"""How tests share the processes that run them: by module, and the slowest modules first."""

import gc
import signal
from typing import Final

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# A shell's background job ignores SIGINT, nohup SIGHUP, and so would the commands that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # Windows has none
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# With the usual threshold, garbage collection took a sixth of the time.
gc.set_threshold(20_000, 20, 50)

_SLOWEST: Final = (
    "integration/action",
    "integration/deadlines",
    "integration/fault_matrix",
    "integration/publish",
    "integration/gitlab",
    "integration/scan",
    "integration/misbehaving_registry",
    "integration/official_sdk",
    "integration/jobs",
    "integration/official_jobs",
    "integration/pytest_plugin",
    "integration/misbehaving_service",
    "integration/images_command",
    "integration/release",
    "integration/failures",
    "processes/streams",
    "integration/bad_days",
    "integration/archive_bad_days",
    "integration/archive_files",
    "integration/engine_refusals",
    "integration/engines",
    "integration/archive",
    "inprocess/fault_matrix",
    "integration/memory",
    "integration/local_scheduler",
    "integration/hostile_checkout",
    "integration/doctor",
    "integration/sarif",
    "integration/sign_in",
    "integration/push",
    "integration/wrong_service",
)
_FIRST: Final = ["tests/" + name.replace("/", "/test_") + ".py" for name in _SLOWEST]
_ACTION: Final = ("tests/integration/test_action.py", "tests/integration/test_gitlab.py")


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Let the tests of a module share a process, and so what they set up once."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        # They build the same image.
        return "action" if module in _ACTION else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Make what distributes tests."""
    return _Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no process begin with a slow module when the others have almost ended."""
    order = {module: number for number, module in enumerate(_FIRST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from scanning the collected tests again and again."""
    gc.freeze()
