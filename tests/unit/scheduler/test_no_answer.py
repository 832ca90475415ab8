"""What people read when a request gets no answer: whose fault it is, and what to set."""

import httpx
import pytest

from lusid_image_publish.errors import TransportError
from lusid_image_publish.scheduler.no_answer import transport_error

SCHEDULER = "https://acme.lusid.com/scheduler2/api/images"
LOCAL = "http://127.0.0.1:4321/scheduler2/api/images"
TOKEN = "https://acme.okta.com/oauth2/abc/v1/token"


def refused() -> httpx.ConnectError:
    error = httpx.ConnectError("[Errno 111] Connection refused")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def said(error: httpx.RequestError, url: str, requested: str | None = None) -> TransportError:
    """Return the error for a request to `url` that failed, for one to `requested`."""
    error.request = httpx.Request("GET", url)
    return transport_error("list_images", error, httpx.URL(requested or url))


def test_a_local_scheduler_that_was_stopped_can_be_started_again() -> None:
    error = said(refused(), LOCAL)
    assert error.message == (
        "The Scheduler at 127.0.0.1 does not answer list_images: Connection refused."
    )
    assert "lusid-scheduler-local --env-file" in error.hint


def test_a_port_of_another_machine_is_not_that_of_a_local_scheduler() -> None:
    error = said(refused(), SCHEDULER)
    assert "local Scheduler" not in f"{error.cause} {error.hint}"
    assert error.hint.startswith("Check FBN_SCHEDULER_URL; set a proxy with ")


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (
            httpx.ProxyError("407 Proxy Authentication Required"),
            "The proxy refused the connection.",
        ),
        (httpx.ReadTimeout(""), "The network is slow or drops packets, or a proxy is needed."),
        (httpx.ReadError(""), "The URL is wrong, the network is down, or a proxy is needed."),
    ],
)
def test_the_cause_is_that_of_the_failure(failure: httpx.RequestError, cause: str) -> None:
    error = said(failure, SCHEDULER)
    assert error.cause == cause
    assert error.message.startswith("The Scheduler at acme.lusid.com does not answer list_images: ")


def test_a_failed_sign_in_names_the_token_endpoint_and_its_setting() -> None:
    error = said(httpx.ReadError(""), TOKEN, requested=SCHEDULER)
    assert error.message == (
        "The token endpoint at acme.okta.com does not answer list_images: ReadError."
    )
    assert error.hint.startswith("Check FBN_TOKEN_URL; ")


def test_no_user_or_password_of_a_url_is_shown() -> None:
    error = said(refused(), "https://me:hush-hush@acme.example/scheduler2?token=hush-hush")
    assert "hush" not in str(error.diagnostics())
