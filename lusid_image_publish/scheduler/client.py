"""The client of the Images API: one method per operation, named as the service names it.

`async_client` has the same methods over the same operations.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings, SettingValues
from lusid_image_publish.errors import NotOfferedError
from lusid_image_publish.progress import Listener, ignore
from lusid_image_publish.scheduler import operations
from lusid_image_publish.scheduler.download import Download, DownloadedImage, Target
from lusid_image_publish.scheduler.listing import ListQuery, Pages
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.waiting import within

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

PageT = TypeVar("PageT", "ResourceListOfImageSummary", "ResourceListOfRepository")


class BaseImagesClient:
    """The parts of a client that do no I/O."""

    def __init__(self, settings: Settings, *, is_given: bool = False) -> None:
        self._settings = settings
        self._is_given = is_given

    @classmethod
    def from_values(cls, **values: Unpack[SettingValues]) -> Self:
        """Return a client with these settings alone, without the environment and files."""
        return cls(Settings.from_values(**values))

    @property
    def settings(self) -> Settings:
        """The settings of the client."""
        return self._settings

    def _exchange(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: "Sink | None"
    ) -> "Exchange[Answer]":
        # Brings the models and httpx-retries: with them this module takes twice as long to import.
        from lusid_image_publish.scheduler.exchange import Exchange  # noqa: PLC0415

        return Exchange(
            call,
            self._settings.with_options(opts),
            sink=sink,
            own_retries=not self._is_given,
            own_timeouts=not self._is_given or opts is not None,
        )

    def _pages_from(self, query: ListQuery, opts: ConfigurationOptions | None) -> Pages:
        return Pages(query, seconds=self._settings.with_options(opts).total_timeout_ms / 1000)


class ImagesClient(BaseImagesClient):
    """The Images API of one Scheduler; a context manager that closes its connections.

    It may be used by many threads at a time. All methods take `opts`, time-outs and retries for
    this request alone. They raise a `ServiceError` for a failure of the service or the network
    (`BadRequestError`, `AuthenticationError`, `AccessDeniedError`, `NotFoundError`,
    `NotOfferedError`, `RateLimitedError`, `ServerError`, `TransportError`,
    `UnexpectedAnswerError`), and, before anything is sent, a `ConfigurationError`
    (`InvalidNameError` for a name) for a parameter that breaks a rule of the API.
    """

    def __init__(self, settings: Settings, *, http: httpx.Client | None = None) -> None:
        # Brings the same, and is not needed before.
        from lusid_image_publish.scheduler.http_clients import build_client  # noqa: PLC0415

        super().__init__(settings, is_given=http is not None)
        self._http = http or build_client(settings)

    @classmethod
    def from_httpx(cls, http: httpx.Client) -> Self:
        """Return a client over `http`, whose base URL must be the Scheduler's.

        Credentials, transport and retries are those of `http`, and so are time-outs where no `opts`
        are given. It stays open when this client is closed. Redirects are not followed.
        """
        return cls(settings_of(http), http=http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if not self._is_given:
            self._http.close()

    def upload_image(
        self, image_name: str, *, opts: ConfigurationOptions | None = None
    ) -> "UploadImageInstructions":
        """Ask for the Docker commands that put `image_name`, a `name:tag`, into LUSID.

        The service refuses a tag that exists with a `BadRequestError`.
        """
        return self._ask(operations.upload_image(image_name), opts)

    def get_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> "Image":
        """Return what LUSID has under `name`, a `name:tag`."""
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

        `page` is the `next_page` of an earlier answer; `sort_by` has field names of the wire, with
        a `-` before one that descends (`-pushTime`); `start` (0 to 5000) skips so many; `limit`
        (1 to 5000, the service takes 2000) is the most of one page; `filter` is an expression of
        LUSID's (`tags any (name eq '1.0')`), at most 1024 characters: see `quote`.
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
        """Yield all images of the repository `name`; `limit` is the most of one page."""
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
        """Yield all repositories; `limit` is the most of one page."""
        query = ListQuery.of(sort_by=sort_by, start=start, limit=limit, filter=filter)
        pages = self._pages(operations.list_repositories, query, opts)
        return (repository for page in pages for repository in page.values)

    def delete_image(self, name: str, *, opts: ConfigurationOptions | None = None) -> str:
        """Delete the image that `name`, a `name:tag`, points to; return what the service says.

        Raises `NotOfferedError` where the deployment does not have this operation any more.
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

        `target` is a path, or a binary stream to write to. It gets nothing before all bytes came
        and were verified: their number and, unless `verify` is false, the tar and its manifest,
        which must have LUSID's digest. An existing file is refused unless `overwrite`. A broken
        transfer continues where it broke if the server allows that. The total timeout counts for
        each 64 MiB.

        Raises `ConfigurationError` for an unusable target, `DownloadError` when the bytes cannot be
        written, are not the image or cannot be compared with it, `NotOfferedError` where the
        deployment does not have this operation any more.
        """
        call = operations.download_image(name)
        with Download(
            name, target, overwrite=overwrite, verify=verify, listener=listener
        ) as download:
            self._fetch(call, opts, download)
            if download.check():
                download.require_digest(self.get_image(name, opts=opts).digest)
            return download.save()

    def _pages(
        self,
        call_for: Callable[[ListQuery], Call[PageT]],
        query: ListQuery,
        opts: ConfigurationOptions | None,
    ) -> Iterator[PageT]:
        pages = self._pages_from(query, opts)
        while pages.next_query:
            call = call_for(pages.next_query)
            with pages.within_time():
                exchange = self._fetch(call, opts)
            yield pages.add(exchange.answer(), size_bytes=exchange.answer_bytes)

    def _ask(self, call: Call[Answer], opts: ConfigurationOptions | None) -> Answer:
        return self._fetch(call, opts).answer()

    def _fetch(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: "Sink | None" = None
    ) -> "Exchange[Answer]":
        """Return the exchange of `call` once its answer has come."""
        exchange = self._exchange(call, opts, sink)
        try:
            self._transfer(exchange)
        except NotOfferedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                self.get_image(call.name, opts=opts)  # raises if only the image is missing
            raise
        return exchange

    def _transfer(self, exchange: "Exchange[Any]") -> None:
        """Move the bytes; retry where the connection breaks."""
        with within(exchange.deadline):
            while True:
                request = self._http.build_request(**exchange.request())
                try:
                    response = self._http.send(request, stream=True, follow_redirects=False)
                except httpx.RequestError as error:
                    raise exchange.no_answer_error(error, request) from error
                try:
                    with closing(response):
                        body = exchange.sink_for(response)
                        for chunk in response.iter_bytes():
                            body.write(chunk)
                    return exchange.finish()
                except httpx.RequestError as error:
                    pause = exchange.retry_after(response, error)
                    pause.sleep(error)


def settings_of(http: httpx.Client | httpx.AsyncClient) -> Settings:
    """Return the settings of a given client: its base URL and timeouts.

    Raises `ConfigurationError` for a base URL that is not one.
    """

    def milliseconds(seconds: float | None) -> int:
        return math.ceil((seconds or 0) * 1000)

    return Settings.from_values(
        scheduler_url=str(http.base_url),
        connect_timeout_ms=milliseconds(http.timeout.connect),
        read_timeout_ms=milliseconds(http.timeout.read),
        total_timeout_ms=0,
        allow_http=True,  # the caller chose its URL and credentials together
    )
