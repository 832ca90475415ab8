"""Where a registry may send us."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.errors import UnsafePlaceError
from lusid_image_publish.hosts import is_internal, is_loopback
from lusid_image_publish.registry.places import safe_location
from tests.unit.test_hosts import INTERNAL

REGISTRY = httpx.URL("https://foo.example")
INTERNAL_HOSTS = [
    f"[{name}]" if ":" in name else name
    for name in INTERNAL
    if name.strip(".") and not set(name) & set("[]% \\")
]


@pytest.mark.parametrize("form", ["https://{}/x", "http://{}/x", "https://u:p@{}:8443", "//{}/x"])
@pytest.mark.parametrize("sender", ["https://foo.example", "https://10.9.9.9:5000"])
@pytest.mark.parametrize("allow_http", [False, True])
def test_no_registry_elsewhere_sends_anything_to_an_internal_host(
    form: str, sender: str, *, allow_http: bool
) -> None:
    def is_refused(host: str) -> bool:
        place = form.format(host)
        try:
            safe_location(place, httpx.URL(sender), message="x", allow_http=allow_http)
        except UnsafePlaceError:
            return True
        return False

    assert [host for host in INTERNAL_HOSTS if not is_refused(host)] == []


@pytest.mark.parametrize(
    ("sender", "place"),
    [
        ("https://foo.example", "https://foo.example/x"),
        ("https://foo.example", "https://foo.example:8443/x"),
        ("https://foo.example", "https://auth.example/x"),
        ("https://foo.example", "https://8.8.8.8/x"),
        ("https://10.0.0.5:5000", "https://10.0.0.5:5000/x"),
        ("https://10.0.0.5:5000", "https://10.0.0.5:5001/x"),
        ("https://10.0.0.5:5000", "https://auth.example/x"),
        ("https://[fd00::5]", "https://[fd00::5]:5001/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/x"),
        ("http://127.0.0.1:5000", "http://localhost:5001/x"),
        ("http://localhost:5000", "http://[::1]:5001/x"),
        ("http://localhost:5000", "https://auth.example/x"),
        ("https://localhost:5000", "http://localhost:5000/x"),
    ],
)
def test_a_registry_may_send_to_its_own_host_and_to_public_ones(sender: str, place: str) -> None:
    assert safe_location(place, httpx.URL(sender), message="", allow_http=False) == place


@pytest.mark.parametrize(
    ("sender", "place"),
    [
        ("https://foo.example", "http://foo.example/x"),
        ("https://foo.example", "http://auth.example/x"),
        ("https://10.0.0.5:5000", "http://10.0.0.5:5000/x"),
        ("http://127.0.0.1:5000", "http://auth.example/x"),
    ],
)
def test_http_is_refused_where_it_is_not_allowed(sender: str, place: str) -> None:
    with pytest.raises(UnsafePlaceError) as caught:
        safe_location(place, httpx.URL(sender), message="", allow_http=False)
    assert caught.value.cause.startswith("Over http://")
    assert safe_location(place, httpx.URL(sender), message="", allow_http=True) == place


@pytest.mark.parametrize(
    ("sender", "place"),
    [
        ("http://127.0.0.1:5000", "http://10.0.0.1/x"),
        ("http://127.0.0.1:5000", "http://169.254.169.254/latest"),
        ("http://127.0.0.1:5000", "https://metadata.google.internal/"),
        ("http://127.0.0.1:5000", "http://0.0.0.0:5000/x"),
        ("http://127.0.0.1:5000", "http://127.1:5000/x"),
        ("https://10.0.0.5", "https://10.0.0.6/x"),
        ("https://10.0.0.5", "https://10.0.0.5./x"),
    ],
)
def test_neither_this_machine_nor_a_private_host_vouches_for_another_one(
    sender: str, place: str
) -> None:
    with pytest.raises(UnsafePlaceError) as caught:
        safe_location(place, httpx.URL(sender), message="", allow_http=True)
    assert "is this machine or an internal address" in caught.value.cause


@pytest.mark.parametrize(
    "text",
    [
        *("", "ftp://foo.example/x", "file:///etc/passwd", "http:127.0.0.1/x"),
        *("https://foo.example:bad/", "https://[::1", "https://foo.example/\0", "unix:/x"),
    ],
)
def test_what_is_no_url_is_not_followed(text: str) -> None:
    with pytest.raises(UnsafePlaceError) as caught:
        safe_location(text, REGISTRY, message="It goes to", allow_http=True)
    assert "not an http:// or https:// URL" in caught.value.cause


def test_the_error_names_both_hosts_and_no_secret_of_the_url() -> None:
    text = "https://me:pass@127.0.0.1:99/upload?signature=abc#d"
    with pytest.raises(UnsafePlaceError) as caught:
        safe_location(text, REGISTRY, message="The push failed: a layer goes to", allow_http=False)
    error = caught.value
    assert error.message == "The push failed: a layer goes to 'https://127.0.0.1:99/upload'."
    assert "127.0.0.1" in error.cause
    assert "foo.example" in error.cause
    assert "--allow-http" not in error.hint
    assert error.exit_code == 7


def test_a_secret_of_what_is_no_url_is_not_shown_either() -> None:
    with pytest.raises(UnsafePlaceError) as caught:
        safe_location("https://me:pass@foo:bad/?abc", REGISTRY, message="It is", allow_http=False)
    assert "pass" not in caught.value.message
    assert "abc" not in caught.value.message


@given(st.text(max_size=30), st.sampled_from(["", "//", "https://", "http://", "/", "https:"]))
def test_whatever_a_registry_says_it_is_followed_to_itself_or_a_public_host(
    text: str, start: str
) -> None:
    try:
        place = safe_location(f"{start}{text}", REGISTRY, message="x", allow_http=False)
    except UnsafePlaceError:
        return
    assert place.scheme == "https"
    assert not is_loopback(place.netloc.decode())
    assert place.host == REGISTRY.host or not is_internal(place.raw_host.decode())
