"""lusid-publish as a person runs it, against the local Scheduler: nothing is replaced."""

import base64
import os
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from lusid_image_publish.local.server import LocalScheduler
from tests.integration.parts import (
    BUSYBOX,
    Job,
    command_environment,
    interrupt_at,
    run,
    start,
)


class Publisher:
    """The command, configured for one Scheduler, in a directory with a job."""

    def __init__(self, scheduler: LocalScheduler, job: Job, **changes: str) -> None:
        self.scheduler = scheduler
        self.job = job
        self.environ = command_environment(**scheduler.environment()) | changes

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        result = run("publish", *arguments, cwd=self.job.folder.parent, environ=self.environ)
        self.assert_no_secret(result.stdout + result.stderr)
        assert "Traceback" not in result.stderr
        return result

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return start("publish", *arguments, cwd=self.job.folder.parent, environ=self.environ)

    def assert_no_secret(self, text: str) -> None:
        names = ("FBN_ACCESS_TOKEN", "FBN_PASSWORD", "FBN_CLIENT_SECRET")
        for secret in (self.environ[name] for name in names if name in self.environ):
            assert secret not in text
            assert urllib.parse.quote(secret) not in text
            assert base64.b64encode(secret.encode()).decode() not in text

    def listed_digest(self, name: str) -> str:
        """Return the digest that the Scheduler lists, empty when it does not list the image."""
        answer = httpx.get(
            f"{self.scheduler.url}/api/images/{name}",
            headers={"Authorization": f"Bearer {self.scheduler.access_token.reveal()}"},
            trust_env=False,
        )
        return str(answer.json()["digest"]) if answer.is_success else ""


@pytest.fixture
def publisher(scheduler: LocalScheduler, job: Job, clean_engine: DockerClient) -> Publisher:
    del clean_engine  # cleans up
    return Publisher(scheduler, job)


@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
@pytest.mark.parametrize("source", ["./job/Dockerfile", "job"])
def test_a_dockerfile_is_built_pushed_and_listed(
    scheduler: LocalScheduler,
    job: Job,
    clean_engine: DockerClient,
    repository: str,
    source: str,
    buildkit: str,
) -> None:
    publisher = Publisher(scheduler, job, DOCKER_BUILDKIT=buildkit)
    name = f"{repository}:1.0"
    result = publisher(source, name)
    assert result.returncode == 0, result.stderr
    assert result.stdout == publisher.listed_digest(name) + "\n"
    assert ("BuildKit" if buildkit == "1" else "classic builder") in result.stderr
    tags = clean_engine.images.get(name).tags
    assert tags == [name], "the registry's tag was only a temporary one"


@pytest.mark.parametrize("by", ["name", "id", "short id"])
def test_an_image_of_the_engine_is_published_as_it_is(
    publisher: Publisher, clean_engine: DockerClient, repository: str, by: str
) -> None:
    clean_engine.images.build(path=str(publisher.job.folder), tag=f"{repository}:local")
    image = clean_engine.images.get(f"{repository}:local")
    source = {"name": f"{repository}:local", "id": image.id, "short id": image.short_id}[by]
    result = publisher(str(source), f"{repository}:1.0")
    assert result.returncode == 0, result.stderr
    assert result.stdout == publisher.listed_digest(f"{repository}:1.0") + "\n"
    assert clean_engine.images.get(str(image.id)).tags == [f"{repository}:local"]


def test_an_image_without_a_name_survives_its_publication(
    publisher: Publisher, clean_engine: DockerClient, repository: str
) -> None:
    image, _ = clean_engine.images.build(path=str(publisher.job.folder))
    result = publisher(str(image.id), f"{repository}:1.0")
    assert result.returncode == 0, result.stderr
    assert clean_engine.images.get(str(image.id)).id == image.id
    assert "warning" in result.stderr


def test_publishing_again_changes_nothing_and_says_so(
    publisher: Publisher, repository: str
) -> None:
    first = publisher("job", f"{repository}:1.0")
    second = publisher("job", f"{repository}:1.0")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "nothing to do" in second.stderr
    assert "Pushing" not in second.stderr


def test_another_image_under_the_tag_is_refused(publisher: Publisher, repository: str) -> None:
    first = publisher("job", f"{repository}:1.0")
    (publisher.job.folder / "content").write_text("something else")
    second = publisher("job", f"{repository}:1.0")
    assert (second.returncode, second.stdout) == (11, "")
    assert "exists in LUSID already" in second.stderr
    assert publisher.listed_digest(f"{repository}:1.0") == first.stdout.strip()


def test_build_options_are_passed_on(
    publisher: Publisher, clean_engine: DockerClient, repository: str
) -> None:
    publisher.job.write(
        f"FROM {BUSYBOX} AS wanted\nARG WHO\nENV WHO=$WHO\nFROM wanted\nENV NOT=wanted\n"
    )
    options = ("--build-arg", "WHO=me", "--label", "team=quant", "--target", "wanted", "--no-cache")
    result = publisher("job/Dockerfile", f"{repository}:1.0", *options, "--context", "job")
    assert result.returncode == 0, result.stderr
    config = clean_engine.images.get(f"{repository}:1.0").attrs["Config"]
    assert "WHO=me" in config["Env"]
    assert "NOT=wanted" not in config["Env"]
    assert config["Labels"]["team"] == "quant"


def test_verbose_says_where_each_value_came_from(publisher: Publisher, repository: str) -> None:
    result = publisher("job", f"{repository}:1.0", "-v", "--scheduler-url", publisher.scheduler.url)
    assert result.returncode == 0, result.stderr
    assert f"scheduler_url = {publisher.scheduler.url}  (command line --scheduler-url)" in (
        result.stderr
    )
    assert "access_token = ***  (environment variable FBN_ACCESS_TOKEN)" in result.stderr


def test_the_log_of_vv_has_no_secret_either(publisher: Publisher, repository: str) -> None:
    result = publisher("job", f"{repository}:1.0", "-vv")
    assert "GET http" in result.stderr
    assert "docker login" not in result.stderr


def test_quiet_says_nothing(publisher: Publisher, repository: str) -> None:
    result = publisher("job", f"{repository}:1.0", "--quiet")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_proxy_of_the_environment_is_not_for_this_machine(
    publisher: Publisher, repository: str
) -> None:
    publisher.environ |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    assert publisher("job", f"{repository}:1.0").returncode == 0


@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
def test_pull_asks_the_base_image_s_registry(
    publisher: Publisher, clean_engine: DockerClient, repository: str, buildkit: str
) -> None:
    clean_engine.api.tag(BUSYBOX, "localhost:1/base", "1")
    publisher.job.write("FROM localhost:1/base:1\nCOPY content /\n")
    publisher.environ["DOCKER_BUILDKIT"] = buildkit
    assert publisher("job", f"{repository}:1.0").returncode == 0
    pulled = publisher("job", f"{repository}:2.0", "--pull")
    assert pulled.returncode == 6, "nothing answers there, so a pull must fail"
    assert "localhost:1" in pulled.stderr


def test_user_name_and_password_sign_in(publisher: Publisher, repository: str) -> None:
    del publisher.environ["FBN_ACCESS_TOKEN"]
    assert publisher("job", f"{repository}:1.0").returncode == 0


def test_a_token_file_and_secrets_json_work(publisher: Publisher, repository: str) -> None:
    folder = publisher.job.folder.parent
    (folder / "token").write_text(publisher.environ["FBN_ACCESS_TOKEN"])
    (folder / "secrets.json").write_text(
        f'{{"api": {{"schedulerUrl": "{publisher.scheduler.url}"}}}}'
    )
    publisher.environ = command_environment(FBN_ACCESS_TOKEN_FILE="token")
    result = publisher("job", f"{repository}:1.0", "-v")
    assert result.returncode == 0, result.stderr
    assert "(secrets.json (api.schedulerUrl))" in result.stderr


def test_a_foreign_platform_is_refused_before_the_push(
    publisher: Publisher, repository: str
) -> None:
    result = publisher("job", f"{repository}:1.0", "--platform", "linux/arm64")
    assert (result.returncode, result.stdout) == (6, "")
    assert "wants this image built for linux/amd64" in result.stderr
    result = publisher(f"{repository}:1.0", f"{repository}:2.0")
    assert (result.returncode, result.stdout) == (6, "")
    assert "is for linux/arm64" in result.stderr
    assert publisher.listed_digest(f"{repository}:1.0") == ""


def local_environment(volume: str) -> dict[str, str]:
    """Return an environment with credentials that must not be read."""
    nonsense = {"FBN_SCHEDULER_URL": "nonsense", "FBN_ACCESS_TOKEN_FILE": "/nonexistent"}
    return command_environment(LUSID_LOCAL_VOLUME=volume, **nonsense)


def containers(engine: DockerClient, volume: str) -> int:
    return len(engine.containers.list(all=True, filters={"volume": volume}))


def test_local_needs_no_configuration_and_keeps_the_image(
    clean_engine: DockerClient, job: Job, repository: str, own_volume: str
) -> None:
    (job.folder.parent / "secrets.json").write_text("not to be read")
    environ = local_environment(own_volume)
    arguments = ("publish", "--local", "job", f"{repository}:1.0")
    first = run(*arguments, cwd=job.folder.parent, environ=environ)
    assert first.returncode == 0, first.stderr
    second = run(*arguments, cwd=job.folder.parent, environ=environ)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "nothing to do" in second.stderr
    assert containers(clean_engine, own_volume) == 0


def test_local_does_not_go_with_another_scheduler(job: Job) -> None:
    result = run(
        *("publish", "--local", "job", "a:1", "--scheduler-url", "https://foo.lusid.com"),
        cwd=job.folder.parent,
        environ=command_environment(),
    )
    assert result.returncode == 2
    assert "--local does not go with" in result.stderr


@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_build_is_cancelled(
    clean_engine: DockerClient,
    job: Job,
    repository: str,
    own_volume: str,
    number: signal.Signals,
    code: int,
    buildkit: str,
) -> None:
    sleeper = f"50{os.getpid()}"
    job.write(f"FROM {BUSYBOX}\nCOPY content /\nRUN sleep {sleeper}\n")
    process = start(
        *("publish", "--local", "job", f"{repository}:1.0"),
        cwd=job.folder.parent,
        environ=local_environment(own_volume) | {"DOCKER_BUILDKIT": buildkit},
    )
    exit_code, err = interrupt_at(process, f"RUN sleep {sleeper}", number)
    assert exit_code == code, err
    assert "The build was cancelled" in err
    assert containers(clean_engine, own_volume) == 0
    deadline = time.monotonic() + 30
    while subprocess.run(["pgrep", "-f", f"sleep {sleeper}"], check=False).returncode == 0:
        assert time.monotonic() < deadline, "the build goes on in the engine"
        time.sleep(0.2)


def test_an_interrupted_push_is_cancelled(
    publisher: Publisher, clean_engine: DockerClient, repository: str
) -> None:
    with (publisher.job.folder / "content").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1_000_000))
    process = publisher.start("job", f"{repository}:1.0")
    exit_code, err = interrupt_at(process, ": Pushing (")
    assert exit_code == 130, err
    assert "The push was cancelled" in err
    assert clean_engine.images.get(f"{repository}:1.0").tags == [f"{repository}:1.0"]
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:  # an engine that went on would be done by then
        assert publisher.listed_digest(f"{repository}:1.0") == ""
        time.sleep(0.5)


def test_the_command_s_folder_and_docker_s_configuration_stay_as_they_were(
    publisher: Publisher, repository: str, tmp_path: Path
) -> None:
    folder = publisher.job.folder.parent
    before = sorted(folder.rglob("*"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    publisher.environ |= {"TMPDIR": str(temporary), "HOME": str(temporary)}
    assert publisher("job", f"{repository}:1.0").returncode == 0
    assert sorted(path for path in folder.rglob("*") if temporary not in path.parents) == sorted(
        [*before, temporary]
    )
    for path in temporary.rglob("*"):
        if path.is_file():
            publisher.assert_no_secret(path.read_bytes().decode(errors="replace"))
