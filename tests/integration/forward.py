"""Forward TCP connections: forward.py HOST PORT TO_HOST TO_PORT. Says `ready` when it listens."""

import asyncio
import sys


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main(host: str, port: str, to_host: str, to_port: str) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(to_host, int(to_port))
        pumps = pump(reader, back), pump(there, writer)
        await asyncio.gather(*pumps, return_exceptions=True)

    server = await asyncio.start_server(forward, host, int(port))
    print("ready", flush=True)  # noqa: T201  # the process that started it waits for this
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
