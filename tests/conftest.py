"""How tests share the processes that run them."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the tests of a module share a process, and so what they set up once.

    In tests/integration only those do that are marked: they take minutes, and the others may have
    parts of their own in each process.
    """
    if "integration" not in item.path.parts:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
