"""A link of so many bits a second in front of a server, for both directions together."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PART_BYTES = 1 << 16
_LATE_SECONDS = 0.05


class _Link:
    """Forwards bytes no faster than the link; all connections share it."""

    def __init__(self, upstream: str, bits_per_second: float) -> None:
        self._upstream = upstream
        self._seconds_per_byte = 8 / bits_per_second
        self._free_at = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        host, _, port = self._upstream.partition(":")
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(self._forward(reader, back), self._forward(there, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while part := await reader.read(_PART_BYTES):
                # A timer that is late is made up for, so that the link has all of its speed.
                self._free_at = max(self._free_at, time.monotonic() - _LATE_SECONDS)
                self._free_at += len(part) * self._seconds_per_byte
                await asyncio.sleep(max(0, self._free_at - time.monotonic()))
                writer.write(part)
                await writer.drain()
        writer.close()


@contextmanager
def slow_link(upstream: str, bits_per_second: float) -> Iterator[str]:
    """Yield host and port of a link to `upstream`, which has a small buffer as networks have."""
    loop = asyncio.new_event_loop()
    link = _Link(upstream, bits_per_second)
    server = loop.run_until_complete(
        asyncio.start_server(link.serve, "127.0.0.1", 0, limit=_PART_BYTES)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname()[:2])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
