"""The client of the Images API: one method per operation, under the operation's own name.

`async_client` has the same methods over the same operations.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import httpx

from lusid_image_publish.config import ConfigurationOptions
from lusid_image_publish.errors import NotOfferedError
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.download import Download, DownloadedImage, Target
from lusid_image_publish.scheduler.listing import ListQuery
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.scheduler.service_client import ServiceClient

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.exchange import Exchange, Sink
    from lusid_image_publish.scheduler.models import (
        Image,
        ImageSummary,
        Repository,
        ResourceListOfImageSummary,
        ResourceListOfRepository,
        UploadImageInstructions,
    )


class ImagesClient(ServiceClient):
    """The Images API of one Scheduler; a context manager that closes its connections.

    Many threads may use it at a time. All methods take `opts`: timeouts and retries for this
    request only. They raise a `ServiceError` for a failure of the service or the network
    (`BadRequestError`, `AuthenticationError`, `AccessDeniedError`, `NotFoundError`,
    `NotOfferedError`, `RateLimitedError`, `ServerError`, `TransportError`,
    `UnexpectedAnswerError`), and, before anything is sent, a `ConfigurationError`
    (`InvalidNameError` for a name) for a parameter that breaks a rule of the API.
    """

    def upload_image(
        self, image_name: str, *, opts: ConfigurationOptions | None = None
    ) -> "UploadImageInstructions":
        """Request the Docker commands that put `image_name`, a `name:tag`, into LUSID.

        Raises `BadRequestError` if the tag already exists: the service refuses it.
        """
        return self._ask(operations.upload_image(image_name), opts)

    def get_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> "Image":
        """Return the image `name`, a `name:tag`."""
        return self._ask(operations.get_image(name), opts)

    def list_images(
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
        """Return one page of the images of the repository `name`.

        `page` is the `next_page` of an earlier answer; `sort_by` has the API's field names, with a
        `-` before a descending one (`-pushTime`); `start` (0 to 5000) is the number of items to
        skip; `limit` (1 to 5000, by default 2000) is the page size; `filter` is a LUSID filter
        expression (`tags any (name eq '1.0')`) of at most 1024 characters: see `quote`.
        """
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return self._ask(operations.list_images(name, query), opts)

    def list_repositories(
        self,
        *,
        page: str | None = None,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> "ResourceListOfRepository":
        """Return one page of the repositories; the parameters are those of `list_images`."""
        query = ListQuery.of(page=page, sort_by=sort_by, start=start, limit=limit, filter=filter)
        return self._ask(operations.list_repositories(query), opts)

    def iter_images(
        self,
        name: str,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> "Iterator[ImageSummary]":
        """Yield all images of the repository `name`; `limit` is the page size."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(partial(operations.list_images, name), query, opts)
        return (image for page in pages for image in page.values)

    def iter_repositories(
        self,
        *,
        sort_by: str | Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
        filter: str | None = None,  # noqa: A002
        opts: ConfigurationOptions | None = None,
    ) -> "Iterator[Repository]":
        """Yield all repositories; `limit` is the page size."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_repositories, query, opts)
        return (repository for page in pages for repository in page.values)

    def delete_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> str:
        """Delete the image that `name`, a `name:tag`, points to; return the service's message.

        Raises `NotOfferedError` if the deployment no longer offers this operation.
        """
        return self._ask(operations.delete_image(name), opts)

    def download_image(
        self,
        name: str,
        target: Target,
        *,
        overwrite: bool = False,
        verify: bool = True,
        listener: Listener = ignore,
        opts: ConfigurationOptions | None = None,
    ) -> DownloadedImage:
        """Download the tar of `name`, a `name:tag`, to `target`, in constant memory.

        `target` is a path, or a binary stream to write to. Nothing is written to it until all
        bytes have arrived and been verified: their number and, unless `verify` is false, the tar
        and its manifest, which must have LUSID's digest. An existing file is an error unless
        `overwrite` is true. An interrupted transfer resumes if the server allows it. The total
        timeout applies to each 64 MiB.

        Raises `ConfigurationError` for an unusable target, `DownloadError` if the bytes cannot be
        written, are not the image or cannot be compared with it, `NotOfferedError` if the
        deployment no longer offers this operation.
        """
        call = operations.download_image(name)
        with Download(
            name, target, overwrite=overwrite, verify=verify, listener=listener
        ) as download:
            self._fetch(call, opts, download)
            if download.check():
                download.require_digest(self.get_image(name, opts=opts).digest)
            return download.save()

    def _fetch(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: "Sink | None" = None
    ) -> "Exchange[Answer]":
        """Return the exchange of `call` once its answer has arrived."""
        try:
            return super()._fetch(call, opts, sink)
        except NotOfferedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                self.get_image(call.name, opts=opts)  # raises if only the image is missing
            raise
