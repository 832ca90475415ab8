"""Known secrets, and the filter that keeps them out of every sink.

A secret is a type: `Secret` prints as `***` and makes itself known here when it is made. Whatever
is shown to a person or written to a log passes `redact()` first, which also knows the forms in
which a secret travels: base64 (alone and inside of a longer text, as `user:password`), and as it is
escaped for a URL, JSON, HTML, Python and a shell.
"""

import base64
import re
import threading
import urllib.parse
from collections.abc import Callable
from functools import cache, cached_property
from html.entities import codepoint2name
from typing import Final

MASK: Final = "***"
_SHORTEST = 4  # hiding anything shorter would hide ordinary words and no secret
_SHORTEST_PART = 8  # characters of base64, likewise
LONG_ENOUGH: Final = 8
"""Characters of a secret that no text has by chance."""


_PLAIN: Final = re.compile(r"[A-Za-z0-9]+")  # what nothing escapes
_PARTS: Final = re.compile(r"\\+|[A-Za-z0-9]+|.", re.DOTALL)
_QUOTED: Final = r"\\{0,7}"
_BESIDE: Final = "[A-Za-z0-9+/_-]?"
_SPELLINGS: Final = {
    "\n": (r"\\{1,8}n",),
    "\r": (r"\\{1,8}r",),
    "\t": (r"\\{1,8}t",),
    "\b": (r"\\{1,8}b",),
    "\f": (r"\\{1,8}f",),
    " ": (r"\+",),
    "&": ("&(?:amp;){1,3}",),
    "'": ("&(?:amp;){0,3}apos;", """'"'"'""", r"'\\{1,8}''", "''"),  # a shell's, and YAML's
}
"""How single signs are written besides."""

Learner = Callable[[str], None]
"""Is told a secret."""

_known: set[str] = set()
_learners: list[Learner] = []
_forms: "list[_Form] | None" = None  # of what is known; None when that has changed
_lock = threading.Lock()


class Secret:
    """A value that is shown as `***` wherever it is printed; `reveal()` gives the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """Return the text itself: only where it is sent to the host it belongs to."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return MASK


def register(value: str) -> None:
    """Make `value` known, so that `redact` hides it from now on, however it is written."""
    if _learn(value):
        for learner in _learners:
            learner(value)


def _learn(value: str) -> bool:
    """Make `value` known; return whether it is new."""
    global _forms  # noqa: PLW0603  # one set of secrets for the process: every sink must know it
    if len(value) < _SHORTEST:
        return False
    with _lock:
        is_new = value not in _known
        if is_new:
            _known.add(value)
            _forms = None
    return is_new


def tell(learner: Learner) -> None:
    """Let `learner` know each secret that becomes known from now on, before it is used."""
    _learners.append(learner)


def register_pair(user: str, password: str) -> None:
    """Make a Basic credential known in the form it has on the wire, base64 of `user:password`.

    OAuth (RFC 6749, section 2.3.1) and URLs have both parts percent-encoded.
    """
    register(password)
    register(f"{user}:{password}")
    for quote in (urllib.parse.quote, urllib.parse.quote_plus):
        _learn(f"{quote(_bytes_of(user), safe='')}:{quote(_bytes_of(password), safe='')}")


def is_secret(text: str) -> bool:
    """Return whether `text` is a secret that is known."""
    return text in _known


def has_secret(text: str) -> bool:
    """Return whether a known secret is in `text`, as it is or encoded.

    It has at least `LONG_ENOUGH` characters: a shorter one may be there by chance.
    """
    forms = (form for form in _current_forms() if form.length >= LONG_ENOUGH)
    return any(form.is_in(text) for form in forms)


def redact(text: str) -> str:
    """Return `text` with every known secret, in every known form, replaced by `***`."""
    for form in _current_forms():
        if form.key in text:
            text = form.pattern.sub(MASK, text)
    return text


class _Form:
    """One way to write a secret: a pattern, and `key`, which is in every text that it matches.

    The key is looked for first, because a server knows many secrets and a log has many lines.
    """

    def __init__(self, text: str, *, length: int, spelling: Callable[[str], str]) -> None:
        self.key = max(_PLAIN.findall(text), key=len, default="")
        self.length = length
        self.size = len(text)
        self._text = text
        self._spelling = spelling

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches it; made when it is needed, for few secrets ever are in a text."""
        return re.compile(self._spelling(self._text))

    def is_in(self, text: str) -> bool:
        return self.key in text and self.pattern.search(text) is not None


def _current_forms() -> list[_Form]:
    """Return the forms of all known secrets, the longest first: one may be inside another."""
    global _forms  # noqa: PLW0603
    with _lock:
        if _forms is None:
            forms = [form for value in _known for form in _forms_of(value)]
            _forms = sorted(forms, key=lambda form: form.size, reverse=True)
        return _forms


@cache
def _forms_of(value: str) -> tuple[_Form, ...]:
    """Return the forms of one secret: as it is, its base64, and its part of longer base64."""
    raw = _bytes_of(value)
    whole = base64.b64encode(raw).decode().rstrip("=")
    parts = [_inside_base64(raw, offset) for offset in range(3)]
    return (
        _Form(value, length=len(value), spelling=_spelled),
        _Form(whole, length=len(value), spelling=_spelled_base64),
        *(
            _Form(part, length=len(value), spelling=_spelled_base64_inside)
            for part in parts
            if len(part) >= _SHORTEST_PART
        ),
    )


def _inside_base64(raw: bytes, offset: int) -> str:
    """Return what is certain of `raw` in the base64 of a longer text, `offset` bytes after a group.

    The first and the last character may also have bits of what stands beside it.
    """
    encoded = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
    begin = -(-offset * 8 // 6)
    return encoded[begin : (offset + len(raw)) * 8 // 6]


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # the environment's bytes that are not UTF-8
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _spelled(text: str) -> str:
    """Return a pattern for `text` in which each sign may be written as libraries write it."""
    return "".join(
        _spelled_backslashes(len(part)) if part.startswith("\\") else _spelled_sign(part)
        for part in _PARTS.findall(text)
    )


def _spelled_backslashes(number: int) -> str:
    """Return a pattern for a run of backslashes: one for each would try all ways to divide it."""
    escapes = "|".join((_percent("\\"), _unicode("\\"), r"\\{1,8}x5c", "&(?:amp;){0,3}#0*92;"))
    return rf"(?i:(?:{escapes}){{{number}}}|\\{{{number},{8 * number}}})"


@cache
def _spelled_sign(sign: str) -> str:
    """Return a pattern for one sign: as it is, or escaped for a URL, JSON, HTML, Python or a shell.

    What is escaped is often escaped again: a percent sign is `%25` then, a backslash two. Nothing
    in the pattern repeats without an end, or a long text could take for ever.
    """
    if _PLAIN.fullmatch(sign):
        return sign
    code = ord(sign)
    spellings = [
        _percent(sign),
        _unicode(sign),
        rf"\\{{1,8}}U{code:08x}",
        rf"&(?:amp;){{0,3}}#(?:0{{0,5}}{code}|x0{{0,5}}{code:x});",
        "".join(rf"\\{{1,8}}x{byte:02x}" for byte in _bytes_of(sign)),
        "".join(rf"\\{{1,8}}{byte:03o}" for byte in _bytes_of(sign)),
        *_SPELLINGS.get(sign, ()),
    ]
    if code <= 0xFF:  # noqa: PLR2004  # what two digits can say
        spellings.append(rf"\\{{1,8}}x{code:02x}")
    if code in codepoint2name:
        spellings.append(f"&(?:amp;){{0,3}}{codepoint2name[code]};")
    return f"(?i:{'|'.join(spellings)}|{_QUOTED}{re.escape(sign)})"


def _percent(sign: str) -> str:
    return "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in _bytes_of(sign))


def _unicode(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\\{{1,8}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _spelled_base64(text: str) -> str:
    """Return a pattern for base64 in either alphabet, with or without what fills it up."""
    signs = {"+": f"(?:{_spelled_sign('+')}|-)", "/": f"(?:{_spelled_sign('/')}|_)"}
    return "".join(signs.get(sign, sign) for sign in text) + f"{_spelled_sign('=')}{{0,2}}"


def _spelled_base64_inside(text: str) -> str:
    """Return the same, with the characters beside it that may have bits of the secret."""
    return f"{_BESIDE}{_spelled_base64(text)}{_BESIDE}"
