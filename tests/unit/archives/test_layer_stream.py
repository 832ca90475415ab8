"""The bytes of a layer for a registry: the same each time, from any offset, and proven."""

import gzip
import hashlib
import importlib.util
import platform
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.archives import compressor as compressor_module
from lusid_image_publish.archives.archive_error import ArchiveError, SizeLimit
from lusid_image_publish.archives.compressor import HAS_LIBDEFLATE, Compressor, gzip_member
from lusid_image_publish.archives.files import BlobContent
from lusid_image_publish.archives.layer_proof import prove_layer
from lusid_image_publish.archives.layer_stream import GzipStream, LayerStream, StoredStream
from lusid_image_publish.archives.parts import Descriptor, Layer, examined_layer
from tests.archives import OCI, sha, zipped, zstd

CHUNK = 1 << 20
NOISE = random.Random(0).randbytes(3 * CHUNK + 5)  # noqa: S311
TEXT = b"a layer is a tar " * 200_000


def limit(most: int = 1 << 30) -> SizeLimit:
    return SizeLimit(most, ArchiveError("too large"))


def content_of(data: bytes) -> BlobContent:
    def read(start: int) -> Iterator[bytes]:
        for begin in range(start, len(data), CHUNK):
            yield data[begin : begin + CHUNK]

    return BlobContent("layer.tar", len(data), read)


def layer_of(data: bytes, content: bytes | None = None, media_type: str = "") -> Layer:
    """Return a layer whose uncompressed bytes are `data`, as `content` in the archive."""
    content = data if content is None else content
    digest = f"sha256:{sha(content)}"
    descriptor = Descriptor(media_type, digest, len(content)) if media_type else None
    return examined_layer(Layer(content_of(content), f"sha256:{sha(data)}", descriptor))


def gzip_stream(layer: Layer, compressor: Compressor) -> LayerStream:
    return GzipStream(layer, limit(), compressor)


@pytest.fixture
def compressor() -> Iterator[Compressor]:
    with Compressor() as found:
        yield found


@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE, bytes(CHUNK), bytes(2 * CHUNK)])
def test_an_uncompressed_layer_is_sent_as_gzip(data: bytes, compressor: Compressor) -> None:
    layer = layer_of(data)
    stream = gzip_stream(layer, compressor)
    sent = b"".join(stream.pieces(0))
    packed = stream.finish()
    assert gzip.decompress(sent) == data
    assert (packed.digest, packed.size) == (f"sha256:{sha(sent)}", len(sent))
    assert stream.bytes_read == len(data)
    again = b"".join(gzip_stream(layer, compressor).pieces(0))
    assert again == sent, "in the same way each time"


def test_nothing_of_the_time_or_the_file_is_in_a_member() -> None:
    member = gzip_member(b"x")
    assert (member[:4], member[4:8]) == (b"\x1f\x8b\x08\x00", bytes(4)), "no name, the time 0"


def test_libdeflate_is_used_where_it_has_a_wheel() -> None:
    with_wheel = {"x86_64", "AMD64", "aarch64", "arm64", "ARM64"}
    assert HAS_LIBDEFLATE is (platform.machine() in with_wheel)


def test_libdeflate_makes_smaller_layers_than_zlib() -> None:
    text = "".join(random.Random(0).choices("abcdefg \n", k=CHUNK)).encode()  # noqa: S311
    is_smaller = len(gzip_member(text)) < len(compressor_module._gzip_by_zlib(text))
    assert is_smaller is HAS_LIBDEFLATE


def test_zlib_does_it_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deflate", None)
    spec = importlib.util.find_spec(compressor_module.__name__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not module.HAS_LIBDEFLATE
    with module.Compressor() as compressor:
        stream = gzip_stream(layer_of(TEXT), compressor)
        sent = b"".join(stream.pieces(0))
    assert sent == b"".join(
        zlib.compress(TEXT[start : start + CHUNK], 5, 31) for start in range(0, len(TEXT), CHUNK)
    )


STREAMS: dict[str, Callable[[bytes, Compressor], LayerStream]] = {
    "uncompressed": lambda data, pool: gzip_stream(layer_of(data), pool),
    "described": lambda data, _: StoredStream(
        layer_of(data, zipped(data), f"{OCI}.layer.v1.tar+gzip"), limit()
    ),
    "gzip": lambda data, _: StoredStream(layer_of(data, zipped(data)), limit()),
    "zstd": lambda data, _: StoredStream(layer_of(data, zstd.compress(data)), limit()),
}


@pytest.mark.parametrize("kind", STREAMS)
@given(
    size=st.integers(0, 3 * CHUNK),
    breaks=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=3),
)
def test_a_stream_continues_at_any_offset_that_was_reached(
    kind: str, size: int, breaks: list[tuple[float, float]]
) -> None:
    data = NOISE[:size]
    with Compressor() as compressor:
        whole = b"".join(STREAMS[kind](data, compressor).pieces(0))
        stream, got = STREAMS[kind](data, compressor), b""
        for until, kept in breaks:
            pieces = stream.pieces(len(got))
            stop = len(got) + int((len(whole) - len(got)) * until)
            while len(got) < stop:
                got += next(pieces)
            pieces.close()  # type: ignore[attr-defined]  # it is a generator
            got = got[: int(len(got) * kept)]
        got += b"".join(stream.pieces(len(got)))
        assert got == whole
        assert stream.finish().digest == f"sha256:{sha(whole)}"


@pytest.mark.parametrize("data", [b"", b"x", bytes(CHUNK), NOISE])
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_was_taken_whole_has_no_more(
    kind: str, data: bytes, compressor: Compressor
) -> None:
    stream = STREAMS[kind](data, compressor)
    whole = b"".join(stream.pieces(0))
    assert b"".join(stream.pieces(len(whole))) == b""
    assert stream.finish().digest == f"sha256:{sha(whole)}"


def test_several_layers_are_compressed_at_a_time(compressor: Compressor) -> None:
    layers = [NOISE[n:] for n in range(6)]

    def send(data: bytes) -> bytes:
        stream = gzip_stream(layer_of(data), compressor)
        sent = b"".join(stream.pieces(0))
        stream.finish()
        return gzip.decompress(sent)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(send, layers)) == layers


WRONG: dict[str, tuple[Layer, str]] = {
    "uncompressed": (Layer(content_of(TEXT), f"sha256:{sha(NOISE)}"), "but its config says"),
    "gzip": (
        Layer(content_of(zipped(TEXT)), f"sha256:{sha(NOISE)}", compression="gzip"),
        f"a layer has the digest sha256:{sha(TEXT)}",
    ),
    "gzip, cut off": (
        Layer(content_of(zipped(TEXT)[:-9]), f"sha256:{sha(TEXT)}", compression="gzip"),
        "one of its layers is truncated",
    ),
    "zstd, cut off": (
        Layer(content_of(zstd.compress(TEXT)[:-3]), f"sha256:{sha(TEXT)}", compression="zstd"),
        "one of its layers is truncated",
    ),
    "described": (
        Layer(
            content_of(zipped(TEXT)),
            f"sha256:{sha(TEXT)}",
            Descriptor(f"{OCI}.layer.v1.tar+gzip", f"sha256:{sha(NOISE)}", 5),
            "gzip",
        ),
        "has the digest",
    ),
    "shorter than the archive says": (
        Layer(BlobContent("a", len(TEXT) + 1, content_of(TEXT).read), f"sha256:{sha(TEXT)}"),
        "it is truncated",
    ),
}


@pytest.mark.parametrize(("layer", "words"), WRONG.values(), ids=WRONG)
def test_a_layer_that_is_not_the_config_s_is_refused_before_it_is_kept(
    layer: Layer, words: str, compressor: Compressor
) -> None:
    stored = StoredStream(layer, limit()) if layer.compression else None
    stream = stored or gzip_stream(layer, compressor)
    with pytest.raises(ArchiveError, match=words):  # noqa: PT012  # either of the two finds it
        for _ in stream.pieces(0):
            pass
        stream.finish()
    with pytest.raises(ArchiveError, match=words):
        list(prove_layer(layer, limit()))


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_layer_that_decompresses_to_too_much_is_refused(pack: Callable[[bytes], bytes]) -> None:
    layer = layer_of(bytes(9 * CHUNK), pack(bytes(9 * CHUNK)))
    with pytest.raises(ArchiveError, match="too large"):
        list(prove_layer(layer, limit(4 * CHUNK)))


def test_several_frames_of_zstd_are_one_layer() -> None:
    layer = layer_of(TEXT + NOISE, zstd.compress(TEXT) + zstd.compress(b"") + zstd.compress(NOISE))
    assert [*prove_layer(layer, limit())][-1] == layer.size


def test_an_archive_whose_bytes_change_between_two_reads_is_not_proven_twice(
    compressor: Compressor,
) -> None:
    """The digest is that of the first read; a registry that got others refuses them."""
    state = [TEXT]

    def read(start: int) -> Iterator[bytes]:
        yield from content_of(state[0]).read(start)

    layer = Layer(BlobContent("a", len(TEXT), read), f"sha256:{sha(TEXT)}")
    stream = gzip_stream(layer, compressor)
    first = b"".join(stream.pieces(0))
    state[0] = TEXT.replace(b"layer", b"liars")
    second = b"".join(stream.pieces(0))
    assert second != first
    assert stream.finish().digest == f"sha256:{hashlib.sha256(first).hexdigest()}"


def test_what_is_sent_is_read_by_zlib_member_by_member(compressor: Compressor) -> None:
    rest, members = b"".join(gzip_stream(layer_of(NOISE), compressor).pieces(0)), 0
    while rest:
        inflate = zlib.decompressobj(31)
        inflate.decompress(rest)
        rest, members = inflate.unused_data, members + 1
    assert members == 4
