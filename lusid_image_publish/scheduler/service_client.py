"""The common part of the clients of the Scheduler's APIs: settings, connections and calls."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from lusid_image_publish.config import ConfigurationOptions, Settings, SettingValues
from lusid_image_publish.errors import MissingSettingError
from lusid_image_publish.scheduler.listing import ListQuery, Pages
from lusid_image_publish.scheduler.operations import Answer, Call
from lusid_image_publish.waiting import within

if TYPE_CHECKING:
    from lusid_image_publish.scheduler.exchange import Exchange, Sink
    from lusid_image_publish.scheduler.models import ResourceList

PageT = TypeVar("PageT", bound="ResourceList")


class BaseServiceClient:
    """The parts of a client that do no I/O."""

    def __init__(self, settings: Settings, *, is_given: bool = False) -> None:
        self._settings = settings
        self._is_given = is_given

    @classmethod
    def from_values(cls, **values: Unpack[SettingValues]) -> Self:
        """Return a client with only these settings: the environment and files are not read."""
        return cls(Settings.from_values(**values))

    @property
    def settings(self) -> Settings:
        """The settings of the client."""
        return self._settings

    def _exchange(
        self, call: Call[Answer], opts: ConfigurationOptions | None, sink: "Sink | None"
    ) -> "Exchange[Answer]":
        # It imports the models and httpx-retries, which double the import time of this module.
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


class ServiceClient(BaseServiceClient):
    """A client of one Scheduler; a context manager that closes its connections.

    Many threads may use it at a time.
    """

    def __init__(self, settings: Settings, *, http: httpx.Client | None = None) -> None:
        # It imports the same, and is not needed earlier.
        from lusid_image_publish.scheduler.http_clients import build_client  # noqa: PLC0415

        super().__init__(settings, is_given=http is not None)
        self._closes = http is None
        self._http = http or build_client(settings)

    @classmethod
    def from_httpx(cls, http: httpx.Client) -> Self:
        """Return a client over `http`, whose base URL must be the Scheduler's.

        Credentials, transport and retries are those of `http`, and so are the timeouts of calls
        without `opts`. `http` stays open when this client is closed. Redirects are not followed.
        Raises `TypeError` for another kind of client.
        """
        require_kind(http, httpx.Client, cls)
        return cls(settings_of(http), http=http)

    @classmethod
    def beside(cls, other: "ServiceClient") -> Self:
        """Return a client over the connections and the sign-in of `other`, which closes them."""
        client = cls(other.settings, http=other._http)  # noqa: SLF001  # of the same class
        client._is_given = other._is_given  # noqa: SLF001
        return client

    def __enter__(self) -> Self:
        require_open(self._http)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._closes:
            self._http.close()

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
        """Return the exchange of `call` once its answer has arrived."""
        exchange = self._exchange(call, opts, sink)
        self._transfer(exchange)
        return exchange

    def _transfer(self, exchange: "Exchange[Any]") -> None:
        """Transfer the bytes; retry if the connection breaks."""
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


def require_kind(http: object, kind: type, client: type) -> None:
    """Raise `TypeError` unless `http` is of the kind that `client` needs."""
    if not isinstance(http, kind):
        raise TypeError(
            f"{client.__name__}.from_httpx needs an httpx.{kind.__name__}, "
            f"not {type(http).__name__}."
        )


def require_open(http: httpx.Client | httpx.AsyncClient) -> None:
    """Raise `RuntimeError`, as httpx does, for a client that is closed."""
    if http.is_closed:
        raise RuntimeError("The client is closed: make a new one.")


def settings_of(http: httpx.Client | httpx.AsyncClient) -> Settings:
    """Return the settings of a given client: its base URL and timeouts.

    Raises `ConfigurationError` for a base URL that is not one.
    """
    if not str(http.base_url):
        raise MissingSettingError(
            "The httpx client does not say where the LUSID Scheduler is.",
            hint="Give the client a base_url, for example "
            'httpx.Client(base_url="https://<domain>.lusid.com/scheduler2").',
        )

    def milliseconds(seconds: float | None) -> int:
        return math.ceil((seconds or 0) * 1000)

    return Settings.from_values(
        scheduler_url=str(http.base_url),
        connect_timeout_ms=milliseconds(http.timeout.connect),
        read_timeout_ms=milliseconds(http.timeout.read),
        total_timeout_ms=0,
        allow_http=True,  # the caller chose its URL and credentials together
    )
