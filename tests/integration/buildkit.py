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

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(host.removeprefix("unix://"))
        back.write(_HAND_OVER)
        answer = await there.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async def serve(over: asyncio.Event) -> None:
        server = await asyncio.start_server(forward, sock=listening)
        await over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    loop, over = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(over),))
    thread.start()
    address, port = listening.getsockname()
    try:
        yield f"tcp://{address}:{port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
