"""The common part of the asynchronous clients of the Scheduler's APIs: connections and calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Self, TypeVar

import anyio.to_thread
import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.scheduler.exchange import Exchange, Sink
from lusid_image_publish.scheduler.http_clients import build_async_client
from lusid_image_publish.scheduler.listing import ListQuery
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.scheduler.service_client import (
    BaseServiceClient,
    PageT,
    require_kind,
    require_open,
    settings_of,
)
from lusid_image_publish.waiting import within

Result = TypeVar("Result")


class AsyncServiceClient(BaseServiceClient):
    """A client of one Scheduler; an asynchronous context manager that closes its connections.

    Many tasks of one event loop may use it at a time.
    """

    def __init__(self, settings: Settings, *, http: httpx.AsyncClient | None = None) -> None:
        super().__init__(settings, is_given=http is not None)
        self._http = http or build_async_client(settings)

    @classmethod
    def from_httpx(cls, http: httpx.AsyncClient) -> Self:
        """Return a client over `http`; see `ServiceClient.from_httpx`."""
        require_kind(http, httpx.AsyncClient, cls)
        return cls(settings_of(http), http=http)

    async def __aenter__(self) -> Self:
        require_open(self._http)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if not self._is_given:
            await self._http.aclose()

    async def _pages(
        self,
        call_for: Callable[[ListQuery], Call[PageT]],
        query: ListQuery,
        opts: ConfigurationOptions | None,
    ) -> AsyncIterator[PageT]:
        pages = self._pages_from(query, opts)
        while pages.next_query:
            call = call_for(pages.next_query)
            with pages.within_time():
                exchange = await self._fetch(call, opts)
            yield pages.add(exchange.answer(), size_bytes=exchange.answer_bytes)

    async def _ask(self, call: Call[Answer], opts: ConfigurationOptions | None) -> Answer:
        return (await self._fetch(call, opts)).answer()

    async def _fetch(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: Sink | None = None
    ) -> Exchange[Answer]:
        """Return the exchange of `call` once its answer has arrived."""
        exchange = self._exchange(call, opts, sink)
        await self._transfer(exchange)
        return exchange

    async def _transfer(self, exchange: Exchange[Any]) -> None:
        """Transfer the bytes; retry if the connection breaks."""
        with within(exchange.deadline):
            while True:
                request = self._http.build_request(**exchange.request())
                try:
                    response = await self._http.send(request, stream=True, follow_redirects=False)
                except httpx.RequestError as error:
                    raise exchange.no_answer_error(error, request) from error
                try:
                    async with aclosing(response):
                        body = exchange.sink_for(response)
                        async for chunk in response.aiter_bytes():
                            if body.blocks:
                                await in_thread(body.write, chunk)
                            else:
                                body.write(chunk)
                    return exchange.finish()
                except httpx.RequestError as error:
                    pause = exchange.retry_after(response, error)
                    await pause.asleep(error)


async def in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function` returns; the event loop continues while it runs."""
    return await anyio.to_thread.run_sync(function, *arguments)
