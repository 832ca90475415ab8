"""lusid-images doctor: it finds what a publication would stumble over, and changes nothing."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from docker import DockerClient
from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.cleanup import images_without_other_tests
from tests.integration.leaks import configured_secrets, find_secrets
from tests.integration.misbehaving import SECRETS, TOKEN, Asked, hosting, nobody
from tests.integration.parts import BUSYBOX, Job, command_environment, run, start
from tests.integration.stage import import_image

Found = dict[str, tuple[str, str]]


class Doctor:
    """The command in a folder with a job."""

    def __init__(self, job: Job, environ: dict[str, str]) -> None:
        self.folder = job.folder.parent
        self.environ = environ

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = run("images", "doctor", *arguments, cwd=self.folder, environ=self.environ)
        assert "Traceback" not in done.stderr
        assert find_secrets(done.stdout + done.stderr, configured_secrets(self.environ)) == []
        return done

    def fails(self, code: int, check: str, *arguments: str) -> dict[str, Any]:
        """Return the first failure, which must be of `check`, and end the command with `code`."""
        done = self(*arguments, "--output", "json")
        document = json.loads(done.stdout)
        failures = [found for found in document["findings"] if found["state"] == "failed"]
        assert (done.returncode, document["wouldStart"]) == (code, False), done.stdout
        first: dict[str, Any] = failures[0]
        assert (first["check"], first["exitCode"]) == (check, code)
        assert first["hint"]
        return first


@pytest.fixture
def doctor(scheduler: LocalScheduler, job: Job) -> Doctor:
    return Doctor(job, command_environment(**scheduler.environment()))


def found(done: subprocess.CompletedProcess[str]) -> Found:
    """Return state and text of each check, the last where there are several."""
    document = json.loads(done.stdout)
    return {f["check"]: (f["state"], f["text"]) for f in document["findings"]}


def test_all_that_is_well_is_said(
    doctor: Doctor, engine: DockerClient, scheduler: LocalScheduler, repository: str
) -> None:
    before = images_without_other_tests(engine, repository)
    done = doctor("./job/Dockerfile", f"{repository}:1.0")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith((" ", "ok       conf"))] == [
        ["ok", "engine"],
        ["ok", "builder"],
        ["ok", "source"],
        ["ok", "name"],
        ["ok", "LUSID"],
        ["ok", "credentials"],
        ["ok", "permission"],
        ["ok", "tag"],
        ["publishing", "would"],
    ]
    assert engine.version()["Version"] in lines[0]
    assert f"scheduler_url = {scheduler.url} (environment variable FBN_SCHEDULER_URL)" in (
        done.stdout
    )
    assert "access_token = ***" in done.stdout
    assert images_without_other_tests(engine, repository) == before


def test_an_image_of_the_engine_is_looked_at(doctor: Doctor, repository: str) -> None:
    shown = found(doctor(BUSYBOX, f"{repository}:1.0", "--output", "json"))
    assert shown["platform"] == ("ok", "linux/amd64")
    assert shown["source"][0] == "ok"


def test_local_needs_no_configuration(doctor: Doctor, own_volume: str) -> None:
    doctor.environ = command_environment(LUSID_LOCAL_VOLUME=own_volume)
    done = doctor("--local")
    assert done.returncode == 0, done.stdout
    assert "publishing would start" in done.stdout


def test_no_engine(doctor: Doctor, tmp_path: Path) -> None:
    doctor.environ["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    failure = doctor.fails(6, "engine", "job", "Bad:Name")
    assert "No Docker engine answers" in failure["text"]
    shown = found(doctor("job", "Bad:Name", "--output", "json"))
    assert shown["name"][0] == "failed", "the rest is looked at too"
    assert shown["permission"][0] == "ok"


def test_no_buildx_is_a_warning(doctor: Doctor, tmp_path: Path) -> None:
    doctor.environ["DOCKER_CONFIG"] = str(tmp_path)
    done = doctor("job")
    assert done.returncode == 0
    assert "warning  builder" in done.stdout
    assert "buildx" in done.stdout
    doctor.environ["DOCKER_BUILDKIT"] = "0"
    assert "DOCKER_BUILDKIT=0 selects it" in doctor("job").stdout


@pytest.mark.parametrize("source", ["./absent", "absent:image", "."])
def test_no_source(doctor: Doctor, source: str) -> None:
    doctor.fails(6, "source", source)


def test_an_image_for_another_platform(
    doctor: Doctor, clean_engine: DockerClient, repository: str
) -> None:
    import_image(clean_engine, f"{repository}:local", 1000)
    arguments = (f"{repository}:local", f"{repository}:1.0", "--platform", "linux/arm64")
    failure = doctor.fails(6, "platform", *arguments)
    assert f"docker build --platform linux/arm64 -t {repository}:local ." in failure["hint"]


def test_a_build_for_another_platform_is_a_warning(doctor: Doctor) -> None:
    done = doctor("job", "--platform", "linux/arm64", "--output", "json")
    assert done.returncode == 0
    assert found(done)["platform"][0] == "warning"
    assert "platform" not in found(
        doctor("job", "--platform", "linux/amd64/v2", "--output", "json")
    )


def test_a_bad_name(doctor: Doctor) -> None:
    failure = doctor.fails(2, "name", "job", "My-Job")
    assert "lower-case" in failure["cause"]


def test_no_configuration(doctor: Doctor) -> None:
    doctor.environ = command_environment()
    doctor.fails(2, "configuration")
    doctor.environ["FBN_SCHEDULER_URL"] = "https://foo.lusid.com/scheduler2"
    failure = doctor.fails(3, "configuration")
    assert "no LUSID credentials" in failure["text"]
    assert failure["slug"] == "missing-credentials"


def test_incomplete_credentials_are_shown_without_their_secrets(doctor: Doctor) -> None:
    _, password, secret = SECRETS
    doctor.environ = command_environment(
        FBN_SCHEDULER_URL="https://foo.lusid.com/scheduler2",
        FBN_PASSWORD=password,
        FBN_CLIENT_SECRET=secret,
    )
    done = doctor()
    assert done.returncode == 3
    assert "password = *** (environment variable FBN_PASSWORD)" in done.stdout
    assert "also needs FBN_TOKEN_URL, FBN_USERNAME, FBN_CLIENT_ID" in done.stdout


def test_a_client_that_cannot_be_made_is_in_the_document_too(doctor: Doctor) -> None:
    doctor.environ["FBN_CLIENT_CERTIFICATE"] = "job/Dockerfile"
    failure = doctor.fails(2, "configuration")
    assert "does not contain certificate authorities" in failure["text"]


def test_http_to_another_machine_is_refused_or_a_warning_where_it_is_allowed(
    doctor: Doctor,
) -> None:
    doctor.environ |= {"FBN_SCHEDULER_URL": "http://lusid.invalid/scheduler2"}
    doctor.environ |= {"FBN_CONNECT_TIMEOUT_MS": "200", "FBN_TOTAL_TIMEOUT_MS": "500"}
    assert "starts with http://" in doctor.fails(2, "configuration")["text"]
    done = doctor("--output", "json", "--allow-http")
    assert done.returncode == 4
    assert found(done)["configuration"][0] == "warning"


def test_nobody_at_the_url(doctor: Doctor) -> None:
    with nobody() as doctor.environ["FBN_SCHEDULER_URL"]:
        doctor.environ["FBN_TOTAL_TIMEOUT_MS"] = "500"
        assert doctor.fails(4, "LUSID")["slug"] == "transport"


def test_of_two_failures_the_first_has_the_exit_code(doctor: Doctor) -> None:
    doctor.environ["FBN_ACCESS_TOKEN"] = "wrong-token"
    doctor.fails(2, "name", "job", "My-Job")
    doctor.fails(3, "credentials", "job", "my-job:1")


def test_an_image_that_exists_is_a_warning(
    doctor: Doctor, clean_engine: DockerClient, repository: str
) -> None:
    import_image(clean_engine, f"{repository}:local", 1000)
    name = f"{repository}:1.0"
    arguments = ("publish", f"{repository}:local", name)
    assert run(*arguments, cwd=doctor.folder, environ=doctor.environ).returncode == 0
    done = doctor(f"{repository}:local", name, "--output", "json")
    assert (done.returncode, found(done)["tag"][0]) == (0, "warning")


ANSWERS: dict[str, tuple[Callable[[], Response], int, str]] = {
    "401": (lambda: Response(status_code=401), 3, "credentials"),
    "403": (lambda: JSONResponse({"code": 186}, 403), 4, "permission"),
    "404": (lambda: Response(status_code=404), 4, "LUSID"),
    "500": (lambda: Response(status_code=500), 4, "LUSID"),
    "HTML": (lambda: HTMLResponse("<h1>Sign in</h1>"), 4, "LUSID"),
}


@pytest.mark.parametrize(("answer", "code", "check"), ANSWERS.values(), ids=ANSWERS)
def test_what_lusid_answers(
    doctor: Doctor, answer: Callable[[], Response], code: int, check: str
) -> None:
    with hosting() as host, host.service(lambda _: answer()) as service:
        doctor.environ = command_environment(FBN_SCHEDULER_URL=service.url, FBN_ACCESS_TOKEN=TOKEN)
        doctor.fails(code, check, "job", "job:1.0")
    assert {asked.method for asked in service.asked} == {"GET"}


def test_no_upload_is_asked_for_where_all_is_well(doctor: Doctor) -> None:
    def answer(asked: Asked) -> Response:
        is_list = "repository" in asked.path
        return JSONResponse({"values": []} if is_list else {"code": 1}, 200 if is_list else 404)

    with hosting() as host, host.service(answer) as service:
        doctor.environ["FBN_SCHEDULER_URL"] = service.url
        assert doctor("job", "job:1.0").returncode == 0
    assert [(asked.method, asked.path.partition("?")[0]) for asked in service.asked] == [
        ("GET", "/scheduler2/api/images/repository"),
        ("GET", "/scheduler2/api/images/job%3A1.0"),
    ]


def test_a_line_appears_when_its_check_is_done(doctor: Doctor) -> None:
    seen = threading.Event()
    was_seen_in_time: list[bool] = []

    async def answer(_: Asked) -> Response:
        was_seen_in_time.append(await anyio.to_thread.run_sync(seen.wait, 10))
        return JSONResponse({"values": []})

    with hosting() as host, host.service(answer) as service:
        doctor.environ["FBN_SCHEDULER_URL"] = service.url
        process = start("images", "doctor", cwd=doctor.folder, environ=doctor.environ)
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("ok       engine")
            seen.set()
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
    assert rest.endswith("publishing would start\n")
    assert was_seen_in_time == [True]


def test_it_is_coloured_on_a_terminal_alone(doctor: Doctor) -> None:
    assert "\x1b" not in doctor().stdout
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "lusid_image_publish.cli.images", "doctor"],
            cwd=doctor.folder,
            env=doctor.environ,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            check=True,
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert shown.startswith("\x1b[32mok      \x1b[0m engine ")
