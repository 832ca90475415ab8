"""What an engine's words about a failed push mean; how engines send them is tried elsewhere."""

import pytest

from lusid_image_publish.errors import PushDeniedError, PushError, PushInterruptedError
from lusid_image_publish.names import ImageReference
from lusid_image_publish.redact import Secret
from lusid_image_publish.registry.failures import push_error
from tests.unit.registry.engine_shapes import ENGINES, SAID, TARGET

NAMED_403 = ImageReference("127.0.0.1:403", "eng/401", "403")


@pytest.mark.parametrize("case", SAID)
def test_each_engine_s_words_are_recorded_once_for_each_case(case: str) -> None:
    engines = [engine for said in SAID[case] for engine in said.engines]
    assert sorted(engines) == sorted(ENGINES)


@pytest.mark.parametrize(
    "words",
    [
        "denied: User: arn:aws:sts::5:x is not authorized to perform: ecr:PutImage",
        "error from registry: User: arn:x is not authorized to perform: ecr:PutImage",
        "error from registry: Your authorization token has expired. Reauthenticate and try again.",
        "Unauthorized",
        "HTTP 401",
        'unexpected status from GET request to https://r.io/token: "403 Forbidden"',
    ],
)
def test_a_refused_credential_is_reported(words: str) -> None:
    error = push_error(TARGET, words)
    assert type(error) is PushDeniedError
    assert "new credential" in error.hint


@pytest.mark.parametrize(
    "words",
    [
        "EOF",
        'Put "https://r.io/v2/x/blobs/uploads/5": unexpected EOF',
        "read tcp 10.0.0.2:5->10.0.0.3:443: read: connection reset by peer",
        "write tcp 10.0.0.2:5->10.0.0.3:443: write: broken pipe",
        "read tcp 10.0.0.2:5->10.0.0.3:443: use of closed network connection",
        "http: server closed idle connection",
        "http2: server sent GOAWAY and closed the connection; LastStreamID=1",
        "http2: client connection lost",
        "net/http: HTTP/1.x transport connection broken: malformed HTTP response",
        "net/http: TLS handshake timeout",
        "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        "context deadline exceeded",
        "dial tcp: lookup r.io on 10.0.0.2:53: read udp: i/o timeout",
        "dial tcp: lookup r.io on 10.0.0.2:53: server misbehaving",
        "lookup r.io: Temporary failure in name resolution",
        "dial tcp 10.0.0.3:443: connect: no route to host",
        "dial tcp 10.0.0.3:443: connect: network is unreachable",
        "error from registry: Rate exceeded",
        "toomanyrequests: You have reached your pull rate limit.",
        "received unexpected HTTP status: 502 Bad Gateway",
        "received unexpected HTTP status: 520",
        "503 Slow Down",
        "failed to copy: io: read/write on closed pipe",
        "stream error: stream ID 5; INTERNAL_ERROR; received from peer",
        "unexpected status from PUT request to https://r.io/v2/x: 520 <none>",
        "error parsing HTTP 408 response body: unexpected end of JSON input",
        "blob upload unknown: blob upload unknown to registry",
    ],
)
def test_what_may_pass_is_reported(words: str) -> None:
    error = push_error(TARGET, words)
    assert type(error) is PushInterruptedError
    assert "Run again" in error.hint


@pytest.mark.parametrize(
    "words",
    [
        "tag invalid: The image tag '403' already exists in the 'eng/401' repository",
        "v2s2(uploading manifest 403 to 127.0.0.1:403/eng/401: tag invalid)",
        "oci(uploading manifest 1.401.0 to 127.0.0.1:403/eng/job-500: tag invalid)",
        "tag does not exist: 127.0.0.1:403/eng/401:403",
        "manifest invalid: manifest invalid",
        "name unknown: The repository with name 'eng/job' does not exist in the registry",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "open /var/lib/docker/x: permission denied",
        "write /var/lib/docker/x: no space left on device",
        'Get "https://r.io:500/v2/": Proxy Authentication Required',
        "received unexpected HTTP status: 413 Request Entity Too Large",
        "an error nobody has heard of",
    ],
)
def test_the_permanent_and_the_unknown_are_neither(words: str) -> None:
    error = push_error(NAMED_403, words)
    assert type(error) is PushError
    assert error.cause
    assert error.hint


@pytest.mark.parametrize(
    "words",
    [
        "tag invalid: The image tag '1.0' already exists in the 'job' repository",
        "error from registry: the tag is immutable and cannot be overwritten",
        "error from registry: manifest invalid",
        "unexpected status from PUT request to https://r.io/v2/x/manifests/1.0: 400 Bad Request",
        "manifest blob unknown: 404",
        "received unexpected HTTP status: 413 Request Entity Too Large",
    ],
)
def test_what_is_refused_for_good_is_not_advised_to_be_run_again(words: str) -> None:
    error = push_error(TARGET, words)
    assert type(error) is PushError
    assert "un again" not in error.hint
    assert "new tag" in error.hint


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        (
            "certificate-tools",
            "denied: x is not authorized to do y on arn:aws:ecr:e:5:repo/foo/certificate-tools",
            PushDeniedError,
        ),
        (
            "quota",
            "unauthorized: unauthorized to access repository: foo/quota, action: push",
            PushDeniedError,
        ),
        (
            "http-timeout",
            "name unknown: The repository with name 'foo/http-timeout' does not exist",
            PushError,
        ),
    ],
)
def test_a_repository_s_name_says_nothing_of_a_failure(
    name: str, words: str, kind: type[PushError]
) -> None:
    assert type(push_error(ImageReference("r.example", f"foo/{name}", "1.0"), words)) is kind


def test_a_tag_s_name_says_nothing_of_a_failure() -> None:
    target = ImageReference("r.example", "foo/job", "timeout")
    words = "tag invalid: The image tag 'timeout' already exists and cannot be overwritten"
    assert type(push_error(target, words)) is PushError


@pytest.mark.parametrize(
    "words", ["error from registry: denied\ndenied", "error from registry: hm"]
)
def test_a_status_that_an_engine_hides_is_for_the_registry_to_say(words: str) -> None:
    error = push_error(TARGET, words)
    assert isinstance(error, PushInterruptedError)
    assert error.is_unexplained
    assert "un again" not in error.hint


@pytest.mark.parametrize(
    "words",
    [
        "http: server gave HTTP response to HTTPS client",
        'Head "https://x:1/v2/": tls: first record does not look like a TLS handshake',
    ],
)
@pytest.mark.parametrize(
    ("podman", "file"), [(False, "insecure-registries"), (True, "registries.conf")]
)
def test_a_registry_without_https_is_reported_with_what_the_engine_needs(
    words: str, *, podman: bool, file: str
) -> None:
    error = push_error(TARGET, words, podman=podman)
    assert "uses HTTPS" in error.cause
    assert file in error.hint
    assert TARGET.host in error.hint


def test_the_words_are_shown_in_one_line_without_secrets() -> None:
    secret = Secret("registry-token")
    error = push_error(TARGET, f"denied:\n  \x1b[31mfor {secret.reveal()}")
    assert error.message.endswith("failed: denied: \N{REPLACEMENT CHARACTER}[31mfor ***")
