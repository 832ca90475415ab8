"""Known secrets, and the filter that keeps them out of all output.

A secret is a type: `Secret` prints as `***` and registers itself here. All text for people and logs
passes through `redact()`, which also recognises encoded secrets: base64 (alone and inside a longer
text, as `user:password`), and escapes for a URL, JSON, HTML, Python and a shell.
"""

import base64
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from html.entities import codepoint2name
from typing import Final

MASK: Final = "***"
_MIN_SECRET_CHARACTERS: Final = 4  # a shorter one would hide common words
_MIN_BASE64_CHARACTERS: Final = 8
MIN_UNIQUE_CHARACTERS: Final = 8
"""The length from which a secret does not occur in a text by chance."""

_NEVER_ESCAPED: Final = re.compile(r"[A-Za-z0-9]+")
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
"""Other spellings of single characters."""

_known: set[str] = set()
_listeners: list[Callable[[str], None]] = []
_forms: "list[_Form] | None" = None  # of the known secrets; None when these have changed
_lock = threading.Lock()


class Secret:
    """A value that prints as `***`; `reveal()` returns the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """Return the text: use it only in a request to the host that it belongs to."""
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
    """Make `redact` hide `value` from now on, in every spelling."""
    if _remember(value):
        for listener in _listeners:
            listener(value)


def _remember(value: str) -> bool:
    """Add `value` to the known secrets; return whether it is new."""
    global _forms  # noqa: PLW0603  # one set of secrets for the process: every sink must know it
    if len(value) < _MIN_SECRET_CHARACTERS:
        return False
    with _lock:
        is_new = value not in _known
        if is_new:
            _known.add(value)
            _forms = None
    return is_new


def on_new_secret(listener: Callable[[str], None]) -> None:
    """Call `listener` with each new secret from now on, before it is used."""
    _listeners.append(listener)


def register_pair(user: str, password: str) -> None:
    """Make `redact` hide a Basic credential, which is sent as base64 of `user:password`.

    OAuth (RFC 6749, section 2.3.1) and URLs have both parts percent-encoded.
    """
    register(password)
    register(f"{user}:{password}")
    for quote in (urllib.parse.quote, urllib.parse.quote_plus):
        _remember(f"{quote(_bytes_of(user), safe='')}:{quote(_bytes_of(password), safe='')}")


def is_secret(text: str) -> bool:
    """Return whether `text` is a known secret."""
    return text in _known


def has_secret(text: str) -> bool:
    """Return whether `text` contains a known secret, plain or encoded.

    Secrets shorter than `MIN_UNIQUE_CHARACTERS` are ignored: they may occur by chance.
    """
    forms = (form for form in _current_forms() if form.length >= MIN_UNIQUE_CHARACTERS)
    return any(form.key in text and form.pattern.search(text) for form in forms)


def redact(text: str, also: Sequence[str] = ()) -> str:
    """Return `text` with every known secret, in every known form, replaced by `***`.

    `also` are additional secrets of this text only; those shorter than 4 characters are ignored.
    """
    for form in (*_current_forms(), *_sorted_forms(also)):
        if form.key in text:
            text = form.pattern.sub(MASK, text)
    return text


class _Form:
    """One spelling of a secret: a pattern, and `key`, a part of every text that matches it.

    The key is searched first, because a server knows many secrets and a log has many lines.
    """

    def __init__(self, text: str, *, length: int, spelling: Callable[[str], str]) -> None:
        self.key = max(_NEVER_ESCAPED.findall(text), key=len, default="")
        self.length = length
        self.size = len(text)
        self._text = text
        self._spelling = spelling

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern, compiled on first use: few secrets ever appear in a text."""
        return re.compile(self._spelling(self._text))


def _current_forms() -> list[_Form]:
    """Return the forms of all known secrets, the longest first: one may be inside another."""
    global _forms  # noqa: PLW0603
    with _lock:
        if _forms is None:
            _forms = _sorted_forms(_known)
        return _forms


def _sorted_forms(secrets: Iterable[str]) -> "list[_Form]":
    long_enough = (each for each in secrets if len(each) >= _MIN_SECRET_CHARACTERS)
    forms = [form for value in long_enough for form in _forms_of(value)]
    return sorted(forms, key=lambda form: form.size, reverse=True)


@cache
def _forms_of(value: str) -> tuple[_Form, ...]:
    """Return the forms of one secret: plain, base64, and its part of longer base64."""
    raw = _bytes_of(value)
    whole = base64.b64encode(raw).decode().rstrip("=")
    parts = [_inside_base64(raw, offset) for offset in range(3)]
    return (
        _Form(value, length=len(value), spelling=_text_pattern),
        _Form(whole, length=len(value), spelling=_base64_pattern),
        *(
            _Form(part, length=len(value), spelling=_inner_base64_pattern)
            for part in parts
            if len(part) >= _MIN_BASE64_CHARACTERS
        ),
    )


def _inside_base64(raw: bytes, offset: int) -> str:
    """Return the certain part of `raw` in base64 of a longer text, `offset` bytes after a group.

    The characters at its ends also have bits of the neighbouring text.
    """
    encoded = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
    begin = -(-offset * 8 // 6)
    return encoded[begin : (offset + len(raw)) * 8 // 6]


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # the environment's bytes that are not UTF-8
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _text_pattern(text: str) -> str:
    """Return a pattern for `text` and for what libraries escape it to."""
    return "".join(
        _backslash_pattern(len(part)) if part.startswith("\\") else _character_pattern(part)
        for part in _PARTS.findall(text)
    )


def _backslash_pattern(number: int) -> str:
    """Return one pattern for a run of backslashes: one for each would try all divisions."""
    escapes = "|".join((_percent("\\"), _unicode("\\"), r"\\{1,8}x5c", "&(?:amp;){0,3}#0*92;"))
    return rf"(?i:(?:{escapes}){{{number}}}|\\{{{number},{8 * number}}})"


@cache
def _character_pattern(sign: str) -> str:
    """Return a pattern for a character, plain or escaped for a URL, JSON, HTML, Python or a shell.

    Escaped text is often escaped again: a percent sign becomes `%25`, a backslash two. All
    repetition in the pattern is bounded, or a long text could take forever.
    """
    if _NEVER_ESCAPED.fullmatch(sign):
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
    if code <= 0xFF:  # noqa: PLR2004  # two digits
        spellings.append(rf"\\{{1,8}}x{code:02x}")
    if code in codepoint2name:
        spellings.append(f"&(?:amp;){{0,3}}{codepoint2name[code]};")
    return f"(?i:{'|'.join(spellings)}|{_QUOTED}{re.escape(sign)})"


def _percent(sign: str) -> str:
    return "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in _bytes_of(sign))


def _unicode(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\\{{1,8}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _base64_pattern(text: str) -> str:
    """Return a pattern for base64 in either alphabet, with or without padding."""
    signs = {"+": f"(?:{_character_pattern('+')}|-)", "/": f"(?:{_character_pattern('/')}|_)"}
    return "".join(signs.get(sign, sign) for sign in text) + f"{_character_pattern('=')}{{0,2}}"


def _inner_base64_pattern(text: str) -> str:
    """Return the same pattern with the neighbours that may have bits of the secret."""
    return f"{_BESIDE}{_base64_pattern(text)}{_BESIDE}"
