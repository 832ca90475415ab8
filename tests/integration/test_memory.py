"""No answer makes a command use more than about a gigabyte of memory."""

import gzip
import io
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from lusid_image_publish.scheduler.exchange import MAX_DOCUMENT_BYTES
from tests.integration.misbehaving import TOKEN, chunked, raw_service
from tests.integration.parts import command_environment

GIGABYTE = 1 << 30
PIECE = 1 << 20

ASK = """
import resource, sys
from pathlib import Path
from lusid_image_publish.errors import ServiceError
from lusid_image_publish.scheduler.client import ImagesClient
with ImagesClient.from_values(scheduler_url=sys.argv[1], access_token=sys.argv[2]) as images:
    try:
        getattr(images, sys.argv[3])("job:1" if sys.argv[3] == "get_image" else "job")
        print("accepted")
    except ServiceError as error:
        print(type(error).__name__, error.message, error.status)
status = Path("/proc/self/status")
if status.exists():  # the other counts what the process that started this one had
    print(*[line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line])
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def repeated(first: bytes, unit: bytes, last: bytes, *, size: int) -> Iterator[bytes]:
    """Yield a document of about `size` bytes that has `unit` again and again."""
    piece = unit * (PIECE // len(unit))
    yield first
    for _ in range(size // len(piece)):
        yield piece
    yield last


def text() -> Iterator[bytes]:
    """A text for which Python needs four bytes a character."""
    return repeated(
        b'{"name": "\\n', b"x", '\U0001f600"}'.encode(), size=MAX_DOCUMENT_BYTES - PIECE
    )


def findings() -> Iterator[bytes]:
    first = b'{"name":"job","scanReport":{"vulnerabilities":['
    return repeated(first, b"{},", b"{}]}}", size=1_100_000 * len("{},"))


ACCEPTED = {"text": ("get_image", text), "findings": ("get_image", findings)}
REFUSED = {
    "too many findings": (
        "get_image",
        lambda: repeated(b'{"scanReport":{"vulnerabilities":[', b"{},", b"{}]}}", size=60 << 20),
    ),
    "too many tags": ("get_image", lambda: repeated(b'{"tags":[', b"{},", b"{}]}", size=60 << 20)),
    "too many images": (
        "list_images",
        lambda: repeated(b'{"values":[', b"{},", b"{}]}", size=60 << 20),
    ),
    "too many numbers": ("get_image", lambda: repeated(b"[", b"0,", b"0]", size=100 << 20)),
    "malformed": ("get_image", lambda: repeated(b'{"tags":[', b"0,", b"0]}", size=20 << 20)),
    "too long": ("get_image", lambda: repeated(b'{"name":"', b"x", b'"}', size=300 << 20)),
}


def ask(operation: str, parts: Iterator[bytes], *headers: str) -> tuple[str, int]:
    """Return what became of an answer, and how many bytes of memory that took at most."""
    answer = list(parts)

    def script(_: object) -> Iterator[bytes]:
        yield chunked(headers=headers)
        for part in answer:
            yield b"%x\r\n%b\r\n" % (len(part), part)
        yield b"0\r\n\r\n"

    with raw_service(script) as server:
        done = subprocess.run(
            [sys.executable, "-c", ASK, server.url, TOKEN, operation],
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    said, memory = done.stdout.splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    return said, int(memory) * unit


@pytest.mark.parametrize(("operation", "parts"), ACCEPTED.values(), ids=ACCEPTED)
def test_the_largest_answers_fit(operation: str, parts: object) -> None:
    assert callable(parts)
    said, memory = ask(operation, parts())
    assert said == "accepted"
    assert memory < 1.05 * GIGABYTE


@pytest.mark.parametrize(("operation", "parts"), REFUSED.values(), ids=REFUSED)
def test_larger_ones_are_refused(operation: str, parts: object) -> None:
    assert callable(parts)
    said, memory = ask(operation, parts())
    assert said.startswith("UnexpectedAnswerError")
    assert memory < GIGABYTE


@cache
def bomb() -> bytes:
    """Return what expands to a gibibyte."""
    packed = io.BytesIO()
    with gzip.open(packed, "wb", 1) as file:
        for _ in range(1024):
            file.write(bytes(PIECE))
    return packed.getvalue()


@pytest.mark.parametrize("times", [1, 2])
def test_a_bomb_is_refused(times: int) -> None:
    body = bomb()
    if times == 2:
        body = gzip.compress(body)
    encoding = ", ".join(["gzip"] * times)
    said, memory = ask("get_image", iter([body]), f"Content-Encoding: {encoding}")
    assert said.startswith("UnexpectedAnswerError")
    assert memory < GIGABYTE / 2
