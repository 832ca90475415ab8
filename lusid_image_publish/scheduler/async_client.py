"""`ImagesClient` for asynchronous programs: the same methods over the same operations."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Self, TypeVar

import anyio.to_thread
import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings
from lusid_image_publish.errors import NotOfferedError
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.client import BaseImagesClient, PageT, settings_of
from lusid_image_publish.scheduler.download import Download, DownloadedImage, Target
from lusid_image_publish.scheduler.exchange import Exchange, Sink
from lusid_image_publish.scheduler.http_clients import build_async_client
from lusid_image_publish.scheduler.listing import ListQuery
from lusid_image_publish.scheduler.models import (
    Image,
    ImageSummary,
    Repository,
    ResourceListOfImageSummary,
    ResourceListOfRepository,
    UploadImageInstructions,
)
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.waiting import within

Result = TypeVar("Result")


class AsyncImagesClient(BaseImagesClient):
    """The Images API of one Scheduler; an asynchronous context manager.

    Methods, parameters, results and errors are those of `ImagesClient`. It may be used by many
    tasks of one event loop at a time.
    """

    def __init__(self, settings: Settings, *, http: httpx.AsyncClient | None = None) -> None:
        super().__init__(settings, is_given=http is not None)
        self._http = http or build_async_client(settings)

    @classmethod
    def from_httpx(cls, http: httpx.AsyncClient) -> Self:
        """Return a client over `http`; see `ImagesClient.from_httpx`."""
        return cls(settings_of(http), http=http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if not self._is_given:
            await self._http.aclose()

    async def upload_image(
        self, image_name: str, *, opts: ConfigurationOptions | None = None
    ) -> UploadImageInstructions:
        """Ask for the Docker commands that put `image_name`, a `name:tag`, into LUSID."""
        return await self._ask(operations.upload_image(image_name), opts)

    async def get_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> Image:
        """Return what LUSID has under `name`, a `name:tag`."""
        return await self._ask(operations.get_image(name), opts)

    async def list_images(
        self,
        name: str,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002  # the service's name for it
        opts: ConfigurationOptions | None = None,
    ) -> ResourceListOfImageSummary:
        """Return one page of the images of `name`; see `ImagesClient.list_images`."""
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return await self._ask(operations.list_images(name, query), opts)

    async def list_repositories(
        self,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> ResourceListOfRepository:
        """Return one page of the repositories; see `ImagesClient.list_repositories`."""
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return await self._ask(operations.list_repositories(query), opts)

    def iter_images(
        self,
        name: str,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> AsyncIterator[ImageSummary]:
        """Yield all images of the repository `name`; `limit` is the most of one page."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(partial(operations.list_images, name), query, opts)
        return (image async for page in pages for image in page.values)

    def iter_repositories(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> AsyncIterator[Repository]:
        """Yield all repositories; `limit` is the most of one page."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_repositories, query, opts)
        return (repository async for page in pages for repository in page.values)

    async def delete_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> str:
        """Delete the image that `name`, a `name:tag`, points to; return what the service says."""
        return await self._ask(operations.delete_image(name), opts)

    async def download_image(
        self,
        name: str,
        target: Target,
        *,
        overwrite: bool = False,
        verify: bool = True,
        listener: Listener = ignore,
        opts: ConfigurationOptions | None = None,
    ) -> DownloadedImage:
        """Do as `ImagesClient.download_image` does; `listener` is called in other threads."""
        call = operations.download_image(name)
        with Download(
            name, target, overwrite=overwrite, verify=verify, listener=listener
        ) as download:
            await self._fetch(call, opts, download)
            if await _in_thread(download.check):
                download.require_digest((await self.get_image(name, opts=opts)).digest)
            return await _in_thread(download.save)

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
        """Return the exchange of `call` once its answer has come."""
        exchange = self._exchange(call, opts, sink)
        try:
            await self._transfer(exchange)
        except NotOfferedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                await self.get_image(call.name, opts=opts)  # raises if only the image is missing
            raise
        return exchange

    async def _transfer(self, exchange: Exchange[Any]) -> None:
        """Move the bytes; retry where the connection breaks."""
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
                                await _in_thread(body.write, chunk)
                            else:
                                body.write(chunk)
                    return exchange.finish()
                except httpx.RequestError as error:
                    pause = exchange.retry_after(response, error)
                    await pause.asleep(error)


async def _in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function` returns; the event loop goes on meanwhile."""
    return await anyio.to_thread.run_sync(function, *arguments)
