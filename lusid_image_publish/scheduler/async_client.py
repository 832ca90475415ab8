"""`ImagesClient` for asynchronous programs: the same methods over the same operations."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings, SettingValues
from lusid_image_publish.errors import NotOfferedError
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.client import PageT, settings_of
from lusid_image_publish.scheduler.listing import ListQuery, Pages
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.waiting import within

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.download import DownloadedImage, Target
    from lusid_image_publish.scheduler.exchange import Sink
    from lusid_image_publish.scheduler.models import (
        Image,
        ImageSummary,
        Repository,
        ResourceListOfImageSummary,
        ResourceListOfRepository,
        UploadImageInstructions,
    )
    from lusid_image_publish.scheduler.responses import Received

Result = TypeVar("Result")


class AsyncImagesClient:
    """The Images API of one Scheduler; an asynchronous context manager.

    Methods, parameters, results and errors are those of `ImagesClient`. It may be used by many
    tasks of one event loop at a time.
    """

    def __init__(self, settings: Settings, *, http: httpx.AsyncClient | None = None) -> None:
        from lusid_image_publish.scheduler.http_clients import build_async_client  # noqa: PLC0415

        self._settings = settings
        self._http = http or build_async_client(settings)
        self._is_given = http is not None

    @classmethod
    def from_values(cls, **values: Unpack[SettingValues]) -> Self:
        """Return a client with these settings alone: no environment and no file is looked at."""
        return cls(Settings.from_values(**values))

    @classmethod
    def from_httpx(cls, http: httpx.AsyncClient) -> Self:
        """Return a client over `http`; see `ImagesClient.from_httpx`."""
        return cls(settings_of(http), http=http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def settings(self) -> Settings:
        """The settings that the client was made with."""
        return self._settings

    async def aclose(self) -> None:
        """Close the connections."""
        if not self._is_given:
            await self._http.aclose()

    async def upload_image(
        self, image_name: str, *, opts: ConfigurationOptions | None = None
    ) -> "UploadImageInstructions":
        """Ask for the Docker commands that put `image_name`, a `name:tag`, into LUSID."""
        return await self._ask(operations.upload_image(image_name), opts)

    async def get_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> "Image":
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
    ) -> "ResourceListOfImageSummary":
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
    ) -> "ResourceListOfRepository":
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
    ) -> "AsyncIterator[ImageSummary]":
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
    ) -> "AsyncIterator[Repository]":
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
        target: "Target",
        *,
        overwrite: bool = False,
        verify: bool = True,
        listener: Listener = ignore,
        opts: ConfigurationOptions | None = None,
    ) -> "DownloadedImage":
        """Do as `ImagesClient.download_image` does; `listener` is called in other threads."""
        from lusid_image_publish.scheduler.download import Download  # noqa: PLC0415

        call = operations.download_image(name)
        with Download(
            name, target, overwrite=overwrite, verify=verify, listener=listener
        ) as download:
            await self._fetch(call, download, opts)
            if await _in_thread(download.check):
                download.compare((await self.get_image(name, opts=opts)).digest)
            return await _in_thread(download.keep)

    async def _pages(
        self,
        call_for: Callable[[ListQuery], Call[PageT]],
        query: ListQuery,
        opts: ConfigurationOptions | None,
    ) -> AsyncIterator[PageT]:
        from lusid_image_publish.scheduler.responses import read_answer  # noqa: PLC0415

        settings = self._settings.with_options(opts)
        pages = Pages(query, seconds=settings.total_timeout_ms / 1000)
        while following := pages.following():
            call = call_for(following)
            with pages.requesting():
                received = await self._received(call, opts)
            yield pages.seen(read_answer(call, received), size=len(received.content))

    async def _ask(self, call: Call[Answer], opts: ConfigurationOptions | None) -> Answer:
        from lusid_image_publish.scheduler.responses import read_answer  # noqa: PLC0415

        return read_answer(call, await self._received(call, opts))

    async def _received(self, call: Call[Any], opts: ConfigurationOptions | None) -> "Received":
        from lusid_image_publish.scheduler.exchange import Document  # noqa: PLC0415

        document = Document(call)
        await self._fetch(call, document, opts)
        return document.received()

    async def _fetch(
        self, call: Call[Any], sink: "Sink", opts: ConfigurationOptions | None
    ) -> None:
        """Give the body of the answer to `sink`."""
        try:
            await self._transfer(call, sink, opts)
        except NotOfferedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                # Raises if it is the image that is missing.
                await self.get_image(call.name, opts=opts)
            raise

    async def _transfer(
        self, call: Call[Any], sink: "Sink", opts: ConfigurationOptions | None
    ) -> None:
        """Move the bytes, going on where the connection breaks in them."""
        from lusid_image_publish.scheduler.exchange import Exchange  # noqa: PLC0415

        exchange = Exchange(
            call,
            sink,
            self._settings.with_options(opts),
            own_retries=not self._is_given,
            own_timeouts=not self._is_given or opts is not None,
        )
        with within(exchange.deadline):
            while True:
                request = self._http.build_request(**exchange.request())
                try:
                    response = await self._http.send(request, stream=True, follow_redirects=False)
                except httpx.RequestError as error:
                    raise exchange.unanswered(error, request) from error
                try:
                    async with aclosing(response):
                        body = exchange.body_of(response)
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
    import anyio.to_thread  # noqa: PLC0415  # httpx brings it, and imports it as late

    return await anyio.to_thread.run_sync(function, *arguments)
