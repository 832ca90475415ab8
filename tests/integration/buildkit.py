"""The BuildKit inside a Docker engine, at an address of its own.

`docker buildx create --driver remote` can then use it, as it uses a BuildKit that somebody runs
elsewhere: its images are not in the engine unless they are loaded into it.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.faults import listening_socket
from tests.integration.forward import pump

# How the engine hands a connection over to its BuildKit: Engine API, "Initialize interactive gRPC".
_HAND_OVER = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@contextmanager
def buildkit_of(host: str) -> Iterator[str]:
    """Yield an address at which the BuildKit of the engine at `host`, `unix://PATH`, answers."""
    listening = listening_socket()
    over = asyncio.Event()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(host.removeprefix("unix://"))
        try:
            back.write(_HAND_OVER)
            answer = await there.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
        finally:
            back.close()
            writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(forward, sock=listening):
            await over.wait()

    with asyncio.Runner() as runner:  # at its end, it cancels what is still connected
        loop = runner.get_loop()
        thread = threading.Thread(target=runner.run, args=(serve(),))
        thread.start()
        address, port = listening.getsockname()
        try:
            yield f"tcp://{address}:{port}"
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
