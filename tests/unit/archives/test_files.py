"""Documents of archives: what is not JSON, or takes too much memory, is refused."""

import itertools

import pytest

from lusid_image_publish.archives.archive_error import MAX_CONFIG_BYTES, ArchiveError
from lusid_image_publish.archives.files import read_document
from lusid_image_publish.archives.tars import archive_errors


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{", b"1" * 5000, b"", b"nul"])
def test_what_is_no_json_is_told(content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"a\.json is not JSON"):
        read_document("a.json", [content])


def test_json_that_takes_much_memory_is_not_read() -> None:
    for content in (b"[" + b"{}," * (3 << 19) + b"0]", b'["\\"' + b'",["' * (5 << 19)):
        with pytest.raises(ArchiveError, match="too large"):
            read_document("a.json", [content], max_bytes=MAX_CONFIG_BYTES)
    texts = b'{"a": "' + b'{\\"b\\":[]},' * (1 << 19) + b'"}'
    assert len(read_document("a.json", [texts], max_bytes=MAX_CONFIG_BYTES)[1]["a"]) == 9 << 19
    with archive_errors(), pytest.raises(ArchiveError):
        read_document("a.json", [b'["' + b'\\"' * (3 << 20)], max_bytes=MAX_CONFIG_BYTES)


def test_json_without_end_is_not_read() -> None:
    with pytest.raises(ArchiveError, match="too large"):
        read_document("a.json", itertools.repeat(b" " * 1000))
