"""Timeouts and retries of one request: httpx-retries, limited in number and time."""

import logging
from typing import Final

import httpx
from httpx_retries import Retry

from lusid_image_publish.config import Settings
from lusid_image_publish.http.connection_failures import is_permanent
from lusid_image_publish.http.network import deadline_caused
from lusid_image_publish.text import without_error_number
from lusid_image_publish.waiting import time_left

logger = logging.getLogger(__name__)

_MAX_RETRIES: Final = 3
_MAX_PAUSE_SECONDS: Final = 60.0  # also where `Retry-After` is longer
_MIN_PAUSE_SECONDS: Final = 0.001
_MAX_PAUSE_SHARE: Final = 0.9
_RETRIED_STATUSES: Final = (429, 500, 502, 503, 504)
_UNPROCESSED_STATUSES: Final = (429,)
RETRY_KEY: Final = "retry"
"""httpx-retries' extension for the policy of one request, and for its state in the response."""


class ServiceRetry(Retry):
    """The retries of one request: `total`, and at most `rate_limit_retries` of them for a 429."""

    rate_limit_retries: int = 2

    def is_retryable_status_code(self, status_code: int) -> bool:
        """Retry a 429 only as often as the settings allow."""
        if status_code == httpx.codes.TOO_MANY_REQUESTS:
            return self.attempts_made < self.rate_limit_retries
        return status_code in self.status_forcelist and self.attempts_made < _MAX_RETRIES

    def is_retryable_exception(self, exception: Exception) -> bool:
        """Retry a temporary failure while there is time; the retries of a 429 add none."""
        return (
            super().is_retryable_exception(exception)
            and not deadline_caused(exception)
            and not is_permanent(exception)
            and self.attempts_made < _MAX_RETRIES
        )

    def is_exhausted(self) -> bool:
        """Return whether no attempt is left, or no time for the pause before it.

        The result of the last attempt then says more than "the deadline has passed".
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
        """Log the reason, and wait."""
        self._prepare_pause(response)
        super().sleep(response)

    async def asleep(self, response: httpx.Response | Exception) -> None:
        """Do as `sleep` does."""
        self._prepare_pause(response)
        await super().asleep(response)

    def _prepare_pause(self, response: httpx.Response | Exception) -> None:
        """Log the reason of the pause, and limit it, so that time is left for the attempt."""
        limit = max(time_left() * _MAX_PAUSE_SHARE, _MIN_PAUSE_SECONDS)
        self.max_backoff_wait = min(self.max_backoff_wait, limit)
        logger.warning("%s; trying again (retry %d)", _reason_for(response), self.attempts_made)


def _reason_for(response: httpx.Response | Exception) -> str:
    """Return what makes a retry necessary, for a person."""
    if not isinstance(response, httpx.Response):
        words = without_error_number(str(response)) or type(response).__name__
        return f"the connection to LUSID failed ({words})"
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return f"LUSID limits the number of requests (HTTP {response.status_code})"
    return f"LUSID returned an error (HTTP {response.status_code})"


def retry_policy(settings: Settings, *, retry_safe: bool) -> ServiceRetry:
    """Return the retries of a request.

    A request that is not `retry_safe` is retried only if the service cannot have processed it:
    after a 429, or without a connection.
    """
    policy = ServiceRetry(
        total=max(_MAX_RETRIES, settings.rate_limit_retries),
        allowed_methods=("GET", "POST", "PUT", "DELETE"),
        status_forcelist=_RETRIED_STATUSES if retry_safe else _UNPROCESSED_STATUSES,
        retry_on_exceptions=None if retry_safe else (httpx.ConnectError, httpx.ConnectTimeout),
        backoff_factor=0.5,
        backoff_jitter=0.5,  # with more, all retries might come within the same short outage
        max_backoff_wait=_MAX_PAUSE_SECONDS,
        total_timeout=settings.total_timeout_ms / 1000 or None,
    )
    policy.rate_limit_retries = settings.rate_limit_retries
    return policy


def timeout_of(settings: Settings) -> httpx.Timeout:
    """Return the timeouts of one attempt; 0 in the settings means none."""
    total = settings.total_timeout_ms / 1000 or None
    connect = _shorter(settings.connect_timeout_ms / 1000 or None, total)
    return httpx.Timeout(_shorter(settings.read_timeout_ms / 1000 or None, total), connect=connect)


def _shorter(limit: float | None, total: float | None) -> float | None:
    return min((seconds for seconds in (limit, total) if seconds is not None), default=None)
