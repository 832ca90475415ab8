"""Time-outs and retries of one request.

The retries are httpx-retries': bounded in number and in time, with `Retry-After` honoured.
"""

import logging
from typing import Any, Final

import httpx
from httpx_retries import Retry

from lusid_image_publish.config import Settings
from lusid_image_publish.http.network import is_out_of_time
from lusid_image_publish.waiting import time_left

logger = logging.getLogger(__name__)

_RETRIES: Final = 3
_LONGEST_PAUSE: Final = 60.0  # seconds; a service that wishes for longer is asked again after it
_SHORTEST_PAUSE: Final = 0.001
_RETRIED: Final = (429, 500, 502, 503, 504)
_NOT_ACTED_ON: Final = (429,)
RETRY_KEY: Final = "retry"
"""The extension in which httpx-retries looks for a request's own policy, and says where it got."""


class ServiceRetry(Retry):
    """The retries of one request: `total` in all, of them `rate_limit_retries` for a 429."""

    rate_limit_retries: int = 2

    def is_retryable_status_code(self, status_code: int) -> bool:
        """Retry a 429 only as often as the settings allow."""
        if status_code == httpx.codes.TOO_MANY_REQUESTS:
            return self.attempts_made < self.rate_limit_retries
        return status_code in self.status_forcelist and self.attempts_made < _RETRIES

    def is_retryable_exception(self, exception: Exception) -> bool:
        """Retry what may pass while there is time, but no more often for the sake of 429s."""
        return (
            super().is_retryable_exception(exception)
            and not is_out_of_time(exception)
            and self.attempts_made < _RETRIES
        )

    def is_exhausted(self) -> bool:
        """Return whether there is no other attempt, or no time for the pause before it.

        What the last attempt came to then says more than that the time is over.
        """
        pause = self.backoff_factor * 2**self.attempts_made
        return super().is_exhausted() or time_left() <= pause

    def increment(self) -> "ServiceRetry":
        """Return the policy for the next attempt."""
        following = super().increment()
        assert isinstance(following, ServiceRetry)  # noqa: S101  # the base copies its own class
        following.rate_limit_retries = self.rate_limit_retries
        return following

    def sleep(self, response: httpx.Response | Exception) -> None:
        """Say why there is a pause, and make it."""
        self._say_why(response)
        self._shorten()
        super().sleep(response)

    async def asleep(self, response: httpx.Response | Exception) -> None:
        """Do as `sleep` does."""
        self._say_why(response)
        self._shorten()
        await super().asleep(response)

    def _shorten(self) -> None:
        """Let no pause be longer than the time that is left."""
        self.max_backoff_wait = min(self.max_backoff_wait, max(time_left(), _SHORTEST_PAUSE))

    def _say_why(self, response: httpx.Response | Exception) -> None:
        reason = (
            f"HTTP {response.status_code}"
            if isinstance(response, httpx.Response)
            else f"{type(response).__name__}: {response}"
        )
        logger.warning("%s; trying again (retry %d)", reason, self.attempts_made)


def retry_policy(settings: Settings, *, retry_safe: bool) -> ServiceRetry:
    """Return the retries of a request.

    One that is not `retry_safe` is sent again only when it certainly was not acted on: because of a
    429, or when no connection came about.
    """
    policy = ServiceRetry(
        total=max(_RETRIES, settings.rate_limit_retries),
        allowed_methods=("GET", "POST", "DELETE"),
        status_forcelist=_RETRIED if retry_safe else _NOT_ACTED_ON,
        retry_on_exceptions=None if retry_safe else (httpx.ConnectError, httpx.ConnectTimeout),
        backoff_factor=0.5,
        max_backoff_wait=_LONGEST_PAUSE,
        total_timeout=settings.total_timeout_ms / 1000 or None,
    )
    policy.rate_limit_retries = settings.rate_limit_retries
    return policy


def request_extensions(settings: Settings, *, retry_safe: bool) -> dict[str, Any]:
    """Return the time-outs and retries of one request in the form httpx and httpx-retries take."""
    retry = retry_policy(settings, retry_safe=retry_safe)
    return {"timeout": timeout_of(settings).as_dict(), RETRY_KEY: retry}


def timeout_of(settings: Settings) -> httpx.Timeout:
    """Return the time-outs of one attempt; 0 in the settings means none."""
    total = settings.total_timeout_ms / 1000 or None
    connect = _shorter(settings.connect_timeout_ms / 1000 or None, total)
    return httpx.Timeout(_shorter(settings.read_timeout_ms / 1000 or None, total), connect=connect)


def _shorter(limit: float | None, total: float | None) -> float | None:
    return min((seconds for seconds in (limit, total) if seconds is not None), default=None)
