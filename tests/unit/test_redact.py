"""Secrets stay out of what is printed."""

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable
from functools import partial
from xml.sax.saxutils import quoteattr

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from lusid_image_publish import redact as module
from lusid_image_publish.redact import MASK, Secret, has_secret, redact, register_pair

TOKEN = "s3cr&t/with+odd=chars"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "%s".__mod__])
def test_a_secret_prints_as_stars(show: object) -> None:
    assert callable(show)
    assert TOKEN not in show(Secret(TOKEN))
    assert "***" in show(Secret(TOKEN))


@pytest.mark.parametrize(
    "form",
    [
        TOKEN,
        urllib.parse.quote(TOKEN, safe=""),
        urllib.parse.quote_plus(TOKEN),
        base64.b64encode(TOKEN.encode()).decode(),
        base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    ],
)
def test_every_form_in_which_a_secret_travels_is_hidden(form: str) -> None:
    Secret(TOKEN)
    assert redact(f"before {form} after") == "before *** after"


def test_a_basic_credential_is_hidden_as_it_is_on_the_wire() -> None:
    register_pair("AWS", TOKEN)
    header = base64.b64encode(f"AWS:{TOKEN}".encode()).decode()
    assert redact(f"Authorization: Basic {header}") == "Authorization: Basic ***"


def test_a_secret_inside_another_is_hidden_whole() -> None:
    Secret("abcdef")
    Secret("abcdefghij")
    assert redact("abcdefghij") == "***"


@pytest.mark.parametrize("short", ["", "a", "abc"])
def test_what_is_too_short_to_be_a_secret_hides_no_words(short: str) -> None:
    Secret(short)
    assert redact("a abc alphabet") == "a abc alphabet"


def test_bytes_that_are_no_utf_8_are_hidden_too() -> None:
    secret = b"hunter2-\xff\xfe".decode(errors="surrogateescape")
    assert redact(f"it is {Secret(secret).reveal()}") == "it is ***"


def test_a_listener_gets_each_new_secret_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(module, "_listeners", [heard.append])
    Secret(TOKEN)
    Secret(TOKEN)
    register_pair("me", "another one")
    assert heard == [TOKEN, "another one", "me:another one"]


SECRETS = st.text(min_size=4, max_size=40).filter(lambda text: not text.isspace()) | st.text(
    "ab1/+&=%\"'\\ <>äß😀\n\t:@$`-_.~", min_size=4, max_size=40
)
"""Secrets that each writer has something to escape in."""

WRITERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in UTF-8": partial(json.dumps, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "JSON with slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "pydantic": lambda text: to_json(text).decode(),
    "HTML": html.escape,
    "HTML's text": partial(html.escape, quote=False),
    "HTML in JSON": lambda text: json.dumps(html.escape(text)),
    "XML": lambda text: quoteattr(text, {"\n": "&#10;"}),
    "URL": partial(urllib.parse.quote, safe=""),
    "URL's path": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "URL in lower case": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), urllib.parse.quote(text, safe="")
    ),
    "URL in a URL": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "URL's user": partial(urllib.parse.quote, safe="!$&'()*+,;="),
    "httpx query": lambda text: str(httpx.QueryParams({"a": text})),
    "httpx URL": lambda text: str(httpx.URL("https://a.example/b", params={"a": text})),
    "httpx form": lambda text: httpx.Request(
        "POST", "https://a", data={"a": text}
    ).content.decode(),
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda text: repr(text.encode()),
    "repr in repr": lambda text: repr([repr(text)]),
    "shell": shlex.quote,
    "YAML": lambda text: f"'{text.replace(chr(39), chr(39) * 2)}'",
}
BASE64: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in JSON": lambda text: json.dumps(base64.b64encode(text.encode()).decode()).replace(
        "/", "\\/"
    ),
    "base64 in a form": lambda text: urllib.parse.quote_plus(base64.b64encode(text.encode())),
}


MANY = settings(max_examples=4 * settings().max_examples)


def forget() -> None:
    module._known.clear()
    module._forms = None


@MANY
@given(secret=SECRETS)
def test_what_a_library_makes_of_a_secret_is_hidden(secret: str) -> None:
    forget()
    Secret(secret)
    shown = {name: redact(write(f"begin{secret}end")) for name, write in WRITERS.items()}
    assert {name: text for name, text in shown.items() if f"begin{MASK}end" not in text} == {}


@MANY
@given(secret=SECRETS)
def test_base64_of_a_secret_is_hidden(secret: str) -> None:
    forget()
    Secret(secret)
    shown = {name: redact(write(secret)).strip('"') for name, write in BASE64.items()}
    assert shown == dict.fromkeys(BASE64, MASK)


@pytest.mark.parametrize("writer", BASE64)
@given(user=st.text(max_size=9), secret=st.text("aé9+%: ", min_size=8, max_size=20))
def test_a_secret_is_hidden_in_base64_of_more(writer: str, user: str, secret: str) -> None:
    forget()
    Secret(secret)
    written = BASE64[writer](f'{{"username":"{user}","password":"{secret}","other":1}}')
    shown = redact(written)
    assert MASK in shown
    hidden = len(written) - len(shown.replace(MASK, ""))
    assert hidden >= len(secret.encode()) * 8 // 6 - 1


@given(user=st.text(min_size=1, max_size=9), secret=st.text("aé9+%: /", min_size=4, max_size=20))
def test_a_pair_is_hidden_as_oauth_and_urls_have_it(user: str, secret: str) -> None:
    forget()
    register_pair(user, secret)
    for quote in (str, partial(urllib.parse.quote, safe=""), urllib.parse.quote_plus):
        pair = f"{quote(user)}:{quote(secret)}"
        assert redact(f"Basic {base64.b64encode(pair.encode()).decode()}") == f"Basic {MASK}"
        assert redact(f"https://{pair}@a.example") == f"https://{MASK}@a.example"


def test_a_long_text_takes_no_time() -> None:
    for secret in ("\\" * 40 + "x", '\\"' * 20, "&" * 30, "%25" * 20, "'" * 30, " " * 30 + "a"):
        Secret(secret)
    for sign in ("\\", "%25", "&amp;", "'", '\\"', "+"):
        assert redact(sign * 4000 + "xa")


def test_a_build_argument_is_held_against_secrets_that_no_text_has_by_chance() -> None:
    Secret("1.2.3")
    Secret("hunter2/hunter2")
    assert not has_secret("VERSION=1.2.3")
    assert has_secret("TOKEN=hunter2/hunter2")
    assert has_secret("https://me:hunter2%2fhunter2@a.example")
    assert has_secret(base64.b64encode(b"me:hunter2/hunter2").decode())
    assert not has_secret("hunter2")
