"""Where a redirect leads: no user, query or fragment, which may hold a secret."""

import httpx
import pytest

from lusid_image_publish.scheduler.redirect import redirected_to


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://www.lusid.com:8443/app", "redirects to https://www.lusid.com:8443/app"),
        (
            "https://me:hush@login.example/in?code=hush#hush",
            "redirects to https://login.example/in",
        ),
        ("https://[::1]:8443/app", "redirects to https://[::1]:8443/app"),
        ("/login?token=hush", "redirects to /login"),
        ("https://[", "redirects without saying where to"),
        ("", "redirects without saying where to"),
    ],
)
def test_the_place_of_a_redirect_is_shown_without_secrets(location: str, words: str) -> None:
    assert redirected_to(httpx.Headers({"location": location})) == words


def test_a_long_place_is_cut() -> None:
    place = redirected_to(httpx.Headers({"location": f"https://example.com/{'x' * 1000}"}))
    assert place.endswith("xxx")
    assert len(place) < 250
