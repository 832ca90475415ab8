"""Texts that mean harm do none, in any format."""

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lusid_image_publish.redact import Secret
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.reports.words import harmless, is_link
from lusid_image_publish.scan.verdict import Ignore, ScanPolicy, Severity
from tests.unit.reports.contents import FOUND, published, scanned
from tests.unit.reports.gitlab_rules import broken_rules

HOSTILE = [
    "::error::taken over",
    "  ::set-output name=x::y",
    "##[error]taken over",
    "x ##[command]y",
    "x ###[group]z ##[[x]",
    "\x1b[31mred\x1b]0;title\x07",
    "a\0b",
    "a\nb\r\nc\u2028d\x85e\x0bf",
    "\n::add-mask::x\n",
    "\u202egnp.exe\u2066",
    "\ud800lone",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</summary></details><h1>no</h1><!--",
    "[click](http://evil.example)",
    "](http://evil.example) `x`",
    "![x](http://evil.example/x.png)",
    "| a | b |\n|---|---|",
    "`` ` ``` \\` \\| \\",
    "@everyone #123 !45 ~label $5 &6 %7 owner/repo#8",
    "http://evil.example www.evil.example <http://evil.example>",
    "javascript:alert(1)",
    "https://evil.example/) [x](",
    "https://evil.example/`|##[x]",
    "{0} {{1}} %s %(x)s ${HOME} $(id)",
    "-",
    " ",
    "😀 日本語 ﷽",
    "A" * 100_000,
    "\n" * 2000 + "##[" * 2000,
]

LINKS = [
    "https://a.example",
    "http://a-b.example:8080/x/y.html?a=1&b=%7e;c#d/e?f",
    "https://nvd.example/vuln/detail/CVE-2026-1",
    "https://127.0.0.1/",
]
NO_LINKS = [
    *("", "javascript:alert(1)", "//a.example", "ftp://a.example", "https://", "https:///x"),
    *("https://user:word@a.example/", "https://good.example@evil.example/"),
    *("https://a..b/", "https://-a.example/", "https://a.example:port/", "https://[::1]/"),
    *("https://a.example/%zz", "https://a.example/%", "https://a.example/#a#b"),
    *(
        "https://a.example/ b",
        "https://a.example/<b>",
        "https://a.example/\N{CYRILLIC SMALL LETTER A}",
    ),
    *(
        "https://a.example/(x)",
        "https://a.example/`",
        "https://a.example/|",
        "https://a.example/\\",
    ),
    *("https://a.example/\n", " https://a.example/", "https://" + "a" * 64 + ".example/"),
    "https://a.example/" + "a" * 1000,
]

hostile_texts = st.sampled_from(HOSTILE) | st.text(max_size=40).map(
    lambda text: text + "::error::##[x]`|<b>"
)


def content_of(texts: list[str]) -> ReportContent:
    """Return a content with a foreign text in each place, in turn."""

    def text(index: int) -> str:
        return texts[index % len(texts)]

    found: list[dict[str, Any]] = [
        {
            "name": text(index),
            "package": text(index + 1),
            "version": text(index + 2),
            "fixVersion": text(index + 3),
            "severity": text(index + 4) if index % 2 else "High",
            "description": text(index + 5),
            "links": [text(index + 6), f"https://good.example/{index}"],
        }
        for index in range(3)
    ]
    ignores = [
        Ignore(text(0), text(7)),
        Ignore(text(1), text(8), date(2020, 1, 1)),
        Ignore(f"unused {text(2)}", text(9)),
    ]
    policy = ScanPolicy(fail_on=Severity.LOW, ignores=ignores)
    return published(scanned(found, policy, status=text(10)))


def tokens_of(markdown: str) -> list[Token]:
    """Return all that a renderer of GitHub's Markdown would show."""
    parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def lines(shown: str) -> list[str]:
    return shown.removesuffix("\n").split("\n")


def check(form: str, shown: str) -> None:
    """Assert that a report does no harm."""
    for line in shown.split("\n"):
        assert not line.lstrip().startswith("::"), line[:100]
        assert line.isprintable() or not line, repr(line[:100])
    assert "##[" not in shown
    shown.encode()
    if form in {"json", "sarif", "gitlab", "annotations"}:
        json.loads(shown)
    if form == "dotenv":
        assert all(re.fullmatch(r"LUSID_IMAGE_[A-Z_]+=[\w.:@/+-]*", line) for line in lines(shown))
    if form == "gitlab":
        assert broken_rules(json.loads(shown)) == []
    if form == "markdown":
        check_markdown(shown)


def check_markdown(shown: str) -> None:
    for token in tokens_of(shown):
        if token.type == "link_open":
            assert re.fullmatch(r"https?://[^()<>\s]+", str(token.attrs["href"]))
        if token.type in {"html_block", "html_inline"}:
            plain = re.sub(r"</?(details|summary)>", "", token.content)
            assert "<" not in plain, token.content
        if token.type == "text":
            assert not re.search(r"[@#<]|evil|javascript", token.content), token.content
        assert token.type != "image"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_does_no_harm(text: str) -> None:
    content = content_of([text])
    for form in FORMATS:
        check(form, FORMATS[form].render(content))


@pytest.mark.parametrize("text", [*HOSTILE, "##[" * 400])
def test_a_foreign_text_is_no_longer_than_it_may_be(text: str) -> None:
    assert len(harmless(text, 300)) <= 300


@pytest.mark.parametrize("form", FORMATS)
@given(texts=st.lists(hostile_texts, min_size=1, max_size=8))
def test_hostile_texts_together_do_no_harm(form: str, texts: list[str]) -> None:
    check(form, FORMATS[form].render(content_of(texts)))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_table_keeps_its_rows(text: str) -> None:
    found = [finding | {"name": text, "package": text} for finding in FOUND]
    content = published(scanned(found, ScanPolicy()))
    table = FORMATS["text"].render(content).split("\n\n")[3].splitlines()
    assert len(table) == 1 + len(found)
    tokens = tokens_of(FORMATS["markdown"].render(content))
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == 6 + 1 + len(found) + 10  # severities, vulnerabilities, facts


@pytest.mark.parametrize("link", LINKS)
def test_a_link_is_known_as_one(link: str) -> None:
    assert is_link(link)


@pytest.mark.parametrize("link", NO_LINKS)
def test_what_is_no_well_formed_link_is_none(link: str) -> None:
    assert not is_link(link)


def test_markdown_links_lead_where_lusid_says() -> None:
    link = "https://a.example/?a=1&lt=2&copy;=3&amp;=4"
    shown = FORMATS["markdown"].render(published(scanned([FOUND[0] | {"links": [link]}])))
    assert [token.attrs["href"] for token in tokens_of(shown) if token.type == "link_open"] == [
        link
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_is_shown(form: str) -> None:
    secret = Secret("hunter2-hunter2")
    text = f"see https://x.example/?token={secret.reveal()} and {secret.reveal()}"
    content = content_of([text, f"https://x.example/{secret.reveal()}"])
    shown = FORMATS[form].render(replace(content, location=f"{secret.reveal()}/Dockerfile"))
    assert secret.reveal() not in shown


@pytest.mark.parametrize("number", [-5, 10**40])
@pytest.mark.parametrize("form", FORMATS)
def test_odd_numbers_do_no_harm(form: str, number: int) -> None:
    scan = scanned(FOUND)
    assert scan.report
    image = scan.image.model_copy(update={"size": number})
    report = scan.report.model_copy(update={"scan_duration": number})
    content = published(scan.__class__(**{**vars(scan), "image": image, "report": report}))
    check(form, FORMATS[form].render(content))
