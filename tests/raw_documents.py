"""JSON texts as a service may write them: odd numbers, escapes and blanks, for hypothesis."""

import json
from typing import Final

from hypothesis import strategies as st

BLANKS: Final = st.sampled_from(["", "", " ", "\n", "\t ", "\r\n"])
_NUMBERS: Final = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(["1.10", "-0", "1e400", "1E+2", "0.1000", "12345678901234567890.5"]),
)
_STRINGS: Final = st.one_of(
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(['"\\u00e9"', '"\\/"', '"a\\nb"', '"config:\\/\\/x"', '"\\""']),
)
NAMES: Final = st.text("abcdefgh_", min_size=1, max_size=6)


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Return an object with some `values`, its members apart by blanks."""
    members = draw(st.dictionaries(NAMES, values, max_size=3))
    return object_of(members, [draw(BLANKS) for _ in range(3)])


def object_of(members: dict[str, str], blanks: list[str]) -> str:
    """Return an object of texts; `blanks` stand before names, before values and after these."""
    before, between, after = blanks
    parts = (f'{before}"{name}":{between}{value}{after}' for name, value in members.items())
    return "{" + ",".join(parts) + before + "}"


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Return an array of some `values`."""
    blank = draw(BLANKS)
    return f"[{blank}" + f",{blank}".join(draw(st.lists(values, max_size=3))) + f"{blank}]"


SCALARS: Final = st.one_of(_NUMBERS, _STRINGS, st.sampled_from(["true", "false", "null"]))
VALUES: Final = st.recursive(SCALARS, lambda inner: objects(inner) | arrays(inner), max_leaves=8)
STRINGS: Final = _STRINGS
