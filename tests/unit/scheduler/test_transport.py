"""Who may be asked without TLS: this machine, and nobody else."""

import pytest

from lusid_image_publish.scheduler.transport import is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:5000",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.8.8.8:80",
        "[::1]",
        "[::1]:5000",
    ],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.example.com",
        "127.0.0.1.example.com:5000",
        "localhost.example.com",
        "127.0.0.1@example.com",
        "example.com",
        "10.0.0.1",
        "[::2]:5000",
        "[::1",
        "",
        ":5000",
    ],
)
def test_anybody_else(host: str) -> None:
    assert not is_loopback(host)
