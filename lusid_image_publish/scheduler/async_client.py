"""`ImagesClient` for asynchronous programs: the same methods over the same operations."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import httpx

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import NotOfferedError
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.async_service_client import AsyncServiceClient, in_thread
from lusid_image_publish.scheduler.download import Download, DownloadedImage, Target
from lusid_image_publish.scheduler.exchange import Exchange, Sink
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


class AsyncImagesClient(AsyncServiceClient):
    """The Images API of one Scheduler; an asynchronous context manager.

    Methods, parameters, results and errors are those of `ImagesClient`. Many tasks of one
    event loop may use it at a time.
    """

    async def upload_image(
        self, image_name: str, *, opts: ConfigurationOptions | None = None
    ) -> UploadImageInstructions:
        """Request the Docker commands that put `image_name`, a `name:tag`, into LUSID."""
        return await self._ask(operations.upload_image(image_name), opts)

    async def get_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> Image:
        """Return the image `name`, a `name:tag`."""
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
        """Yield all images of the repository `name`; `limit` is the page size."""
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
        """Yield all repositories; `limit` is the page size."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_repositories, query, opts)
        return (repository async for page in pages for repository in page.values)

    async def delete_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> str:
        """Delete the image that `name`, a `name:tag`, points to; return the service's message."""
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
            if await in_thread(download.check):
                download.require_digest((await self.get_image(name, opts=opts)).digest)
            return await in_thread(download.save)

    async def _fetch(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: Sink | None = None
    ) -> Exchange[Answer]:
        """Return the exchange of `call` once its answer has arrived."""
        try:
            return await super()._fetch(call, opts, sink)
        except NotOfferedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                await self.get_image(call.name, opts=opts)  # raises if only the image is missing
            raise
