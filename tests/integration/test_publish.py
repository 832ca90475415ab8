"""lusid-publish as a person runs it, against the local Scheduler: nothing is replaced."""

import base64
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
import urllib.parse
from datetime import datetime
from pathlib import Path

import pytest
from docker import DockerClient

from lusid_image_publish.local_scheduler.server import LocalScheduler
from tests.integration.leaks import (
    configured_secrets,
    find_secrets,
    find_secrets_below,
    poisoned_configuration,
)
from tests.integration.parts import (
    BUSYBOX,
    Job,
    Started,
    command_environment,
    interrupt_at,
    run,
    start,
)
from tests.plain_http import HTTP


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

    def start(self, *arguments: str) -> Started:
        return start("publish", *arguments, cwd=self.job.folder.parent, environ=self.environ)

    def assert_no_secret(self, text: str) -> None:
        names = ("FBN_ACCESS_TOKEN", "FBN_PASSWORD", "FBN_CLIENT_SECRET")
        for secret in (self.environ[name] for name in names if name in self.environ):
            assert secret not in text
            assert urllib.parse.quote(secret) not in text
            assert base64.b64encode(secret.encode()).decode() not in text

    def listed_digest(self, name: str) -> str:
        """Return the digest that the Scheduler lists, empty when it does not list the image."""
        answer = HTTP.get(
            f"{self.scheduler.url}/api/images/{name}",
            headers={"Authorization": f"Bearer {self.scheduler.access_token.reveal()}"},
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
    assert ("BuildKit" if buildkit == "1" else "the engine's own builder") in result.stderr
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
    assert "unchanged, nothing to do" in second.stderr
    assert "Pushing" not in second.stderr


def test_another_image_under_the_tag_is_refused(publisher: Publisher, repository: str) -> None:
    first = publisher("job", f"{repository}:1.0")
    (publisher.job.folder / "content").write_text("something else")
    second = publisher("job", f"{repository}:1.0")
    assert (second.returncode, second.stdout) == (11, "")
    assert "already exists with a different image" in second.stderr
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


@pytest.mark.parametrize("buildkit", ["1", "0"])
def test_a_build_argument_of_several_lines_stays_whole(
    publisher: Publisher, clean_engine: DockerClient, repository: str, buildkit: str
) -> None:
    publisher.environ["DOCKER_BUILDKIT"] = buildkit
    publisher.job.write(f"FROM {BUSYBOX}\nARG A\nENV A=$A\n")
    name, value = f"{repository}:1.0", "A=first\nnot=second\n\nthird"
    result = publisher("job", name, "--dry-run", "--build-arg", value, "--label", f"b.{value}")
    assert result.returncode == 0, result.stderr
    config = clean_engine.images.get(name).attrs["Config"]
    assert value in config["Env"]
    assert f"b.A={config['Labels']['b.A']}" == f"b.{value}"


@pytest.mark.parametrize("text", ['build-arg = ["A=1\\nb="]', '[build-arg]\nA = """1\nb="""'])
def test_a_build_argument_of_several_lines_stays_whole_in_the_project_s_file(
    publisher: Publisher, clean_engine: DockerClient, repository: str, text: str
) -> None:
    publisher.job.write(f"FROM {BUSYBOX}\nARG A\nENV A=$A\n")
    (publisher.job.folder.parent / ".lusid-publish.toml").write_text(text)
    name = f"{repository}:1.0"
    result = publisher("job", name, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "A=1\nb=" in clean_engine.images.get(name).attrs["Config"]["Env"]


@pytest.mark.parametrize("buildkit", ["1", "0"])
@pytest.mark.parametrize("named_by", ["--secrets-file", "variable", "place"])
def test_a_build_is_not_given_the_file_with_the_secrets(
    publisher: Publisher, repository: str, buildkit: str, named_by: str
) -> None:
    publisher.environ["DOCKER_BUILDKIT"] = buildkit
    file = publisher.job.folder / "secrets.json"
    token = publisher.environ["FBN_ACCESS_TOKEN"]
    api = {"schedulerUrl": publisher.scheduler.url, "accessToken": token}
    file.write_text(json.dumps({"api": api}))
    arguments = [str(publisher.job.folder), f"{repository}:1.0", "--dry-run"]
    if named_by == "--secrets-file":
        arguments += ["--secrets-file", str(file)]
    elif named_by == "variable":
        file.write_text(publisher.environ["FBN_ACCESS_TOKEN"])
        publisher.environ["FBN_ACCESS_TOKEN_FILE"] = str(file)
    else:
        (publisher.job.folder.parent / "secrets.json").hardlink_to(file)
    refused = publisher(*arguments)
    assert refused.returncode == 2
    assert f"contains a file with secrets: {file}" in refused.stderr
    assert "Building" not in refused.stderr
    (publisher.job.folder / ".dockerignore").write_text("secrets.json\n")
    assert publisher(*arguments).returncode == 0


@pytest.mark.parametrize("source", ["option", "variable", "project's file", "value", "label"])
def test_a_secret_is_neither_a_build_argument_nor_a_label(
    publisher: Publisher, repository: str, source: str
) -> None:
    token = publisher.environ["FBN_ACCESS_TOKEN"]
    options: list[str] = []
    if source == "variable":
        publisher.environ["LUSID_PUBLISH_BUILD_ARG"] = "A=1\nFBN_ACCESS_TOKEN"
    elif source == "project's file":
        file = publisher.job.folder.parent / ".lusid-publish.toml"
        file.write_text('build-arg = ["FBN_ACCESS_TOKEN"]\n')
    else:
        options = {
            "option": ["--build-arg", "FBN_ACCESS_TOKEN"],
            "value": ["--build-arg", f"A=x{token}"],
            "label": ["--label", f"a={token}"],
        }[source]
    publisher.environ["DOCKER_HOST"] = "tcp://127.0.0.1:1"  # it is refused before that matters
    result = publisher("job", f"{repository}:1.0", *options)
    assert result.returncode == 2
    assert "can pull the image" in result.stderr


@pytest.mark.parametrize("buildkit", ["1", "0"])
def test_what_a_build_does_without_is_a_warning(
    publisher: Publisher, clean_engine: DockerClient, repository: str, buildkit: str
) -> None:
    publisher.environ |= {"DOCKER_BUILDKIT": buildkit, "SET": "1"}
    publisher.job.write(f"FROM {BUSYBOX}\nARG ABSENT=default\nENV SEEN=$ABSENT\nCOPY . /job\n")
    file = publisher.job.folder / "Dockerfile.dockerignore"
    file.write_text("content\n")
    name = f"{repository}:1.0"
    result = publisher("job", name, "--dry-run", "--build-arg", "ABSENT", "--build-arg", "SET")
    assert result.returncode == 0, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert "The build argument ABSENT is not set" in warnings.pop(0)
    assert "SEEN=default" in clean_engine.images.get(name).attrs["Config"]["Env"]
    container = clean_engine.containers.create(name, "nothing")  # removed with the image
    stream, _ = container.get_archive("/job")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        is_copied = "job/content" in tar.getnames()
    assert is_copied == (buildkit == "0")
    assert [f"{file} is ignored" in line for line in warnings] == [True] * is_copied


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
    base = f"localhost:1/{repository}:base"
    clean_engine.images.get(BUSYBOX).tag(base)
    publisher.job.write(f"FROM {base}\nCOPY content /\n")
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
    arguments = ("job", f"{repository}:1.0", "-v")
    refused = publisher(*arguments)
    assert refused.returncode == 2
    assert "weaker source" in refused.stderr
    result = publisher(*arguments, "--secrets-file", "secrets.json")
    assert result.returncode == 0, result.stderr
    assert "(secrets.json (api.schedulerUrl))" in result.stderr


def test_a_foreign_platform_is_refused_before_the_push(
    publisher: Publisher, repository: str
) -> None:
    result = publisher("job", f"{repository}:1.0", "--platform", "linux/arm64")
    assert (result.returncode, result.stdout) == (6, "")
    assert "requires an image for linux/amd64" in result.stderr
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
    assert "unchanged, nothing to do" in second.stderr
    assert containers(clean_engine, own_volume) == 0


def test_local_does_not_go_with_another_scheduler(job: Job) -> None:
    result = run(
        *("publish", "--local", "job", "a:1", "--scheduler-url", "https://foo.lusid.com"),
        cwd=job.folder.parent,
        environ=command_environment(),
    )
    assert result.returncode == 2
    assert "--local cannot be used with" in result.stderr


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
        for _ in range(64):
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


def digest_in_registry(publisher: Publisher, name: str) -> str:
    """Return what the Scheduler lists for a tag in its list."""
    repository, _, tag = name.partition(":")
    answer = HTTP.get(
        f"{publisher.scheduler.url}/api/images/repository/{repository}",
        headers={"Authorization": f"Bearer {publisher.scheduler.access_token.reveal()}"},
    )
    images = answer.json()["values"] if answer.is_success else []
    return next((i["digest"] for i in images if tag in {t["name"] for t in i["tags"]}), "")


def test_force_pushes_over_another_image(publisher: Publisher, repository: str) -> None:
    name = f"{repository}:1.0"
    first = publisher("job", name)
    (publisher.job.folder / "content").write_text("something else")
    second = publisher("job", name, "--force")
    assert second.returncode == 0, second.stderr
    assert second.stdout.strip() == publisher.listed_digest(name) != first.stdout.strip()
    assert digest_in_registry(publisher, name) == second.stdout.strip()
    again = publisher("job", name, "--force")
    assert (again.returncode, again.stdout) == (0, second.stdout)
    assert "Pushing" not in again.stderr


@pytest.mark.parametrize(("policy", "code"), [("skip", 0), ("fail", 11)])
def test_what_exists_may_be_taken_or_refused_without_a_look(
    publisher: Publisher, repository: str, policy: str, code: int
) -> None:
    name = f"{repository}:1.0"
    arguments = ("job", name, "--if-exists", policy, "--output", "json")
    first = publisher(*arguments)
    assert json.loads(first.stdout)["outcome"] == "published"
    publisher.job.write("FROM scratch\nNONSENSE\n")
    second = publisher(*arguments)
    assert second.returncode == code, second.stderr
    assert "Building" not in second.stderr
    if not code:
        shown = json.loads(second.stdout)
        assert (shown["outcome"], shown["digest"]) == ("skipped", publisher.listed_digest(name))


def test_the_result_is_a_document_for_programs(publisher: Publisher, repository: str) -> None:
    name = f"{repository}:1.0"
    shown = json.loads(publisher("job", name, "--output", "json", "--latest").stdout)
    times, scan = (shown.pop("pushTime"), shown.pop("reportTime")), shown.pop("scan")
    assert all(map(datetime.fromisoformat, times))
    assert (scan["outcome"], scan["status"], scan["error"]) == ("no-policy", "COMPLETE", None)
    assert scan["vulnerabilities"] == []
    assert shown | {"imageId": "", "reference": "", "size": 0} == {
        "name": name,
        "repository": repository,
        "tag": "1.0",
        "outcome": "published",
        "digest": publisher.listed_digest(name),
        "imageId": "",
        "platform": "linux/amd64",
        "reference": "",
        "size": 0,
        "bytesSent": None,
        "bytesReused": None,
        "latest": "moved",
        "jobs": [],
    }
    assert shown["reference"] == f"{publisher.scheduler.registry_host}/foo/{name}"
    again = json.loads(publisher("job", name, "--output", "json").stdout)
    assert (again["outcome"], again["reference"], again["latest"]) == ("unchanged", None, None)


def test_latest_follows_and_is_never_moved_backwards(publisher: Publisher, repository: str) -> None:
    latest = f"{repository}:latest"
    old = publisher("job", f"{repository}:1.0").stdout.strip()
    assert publisher.listed_digest(latest) == ""
    time.sleep(1.1)  # the local Scheduler's push times are whole seconds
    (publisher.job.folder / "content").write_text("newer")
    new = publisher("job", f"{repository}:1.1", "--latest").stdout.strip()
    assert publisher.listed_digest(latest) == new != old
    kept = publisher(f"{repository}:1.0", f"{repository}:1.0", "--latest")
    assert (kept.returncode, kept.stdout.strip()) == (0, old)
    assert "was not moved, because its image was pushed later" in kept.stderr
    assert publisher.listed_digest(latest) == new
    unchanged = publisher(f"{repository}:1.1", f"{repository}:1.1", "--latest")
    assert "already this image" in unchanged.stderr
    time.sleep(1.1)
    moved = publisher(f"{repository}:1.0", f"{repository}:1.2", "--latest")
    assert moved.returncode == 0, moved.stderr
    assert publisher.listed_digest(latest) == old


def test_a_dry_run_builds_and_changes_nothing_else(
    publisher: Publisher, clean_engine: DockerClient, repository: str
) -> None:
    name = f"{repository}:1.0"
    plan = publisher("job", name, "--dry-run", "--latest", "--output", "json")
    shown = json.loads(plan.stdout)
    assert (shown["action"], shown["existingDigest"], shown["latest"]) == ("push", None, "moved")
    assert shown["imageId"] == clean_engine.images.get(name).id
    assert publisher.listed_digest(name) == ""
    text = publisher("job", name, "--dry-run")
    assert "push it" in text.stdout
    assert "no image with this name" in text.stdout
    assert "upload instructions" not in text.stderr

    publisher.job.write("FROM scratch\nNONSENSE\n")
    assert publisher("job", name, "--dry-run").returncode == 6
    unbuilt = json.loads(
        publisher("job", name, "--dry-run", "--no-build", "--output", "json").stdout
    )
    assert (unbuilt["imageId"], unbuilt["action"]) == (None, "push")


def test_a_dry_run_says_what_an_image_that_exists_means(
    publisher: Publisher, repository: str
) -> None:
    name = f"{repository}:1.0"
    digest = publisher("job", name).stdout.strip()

    def action(*options: str) -> str:
        plan = publisher("job", name, "--dry-run", "--output", "json", *options)
        shown = json.loads(plan.stdout)
        assert shown["existingDigest"] == digest
        return str(shown["action"])

    assert action() == "compare"
    assert action("--if-exists", "skip") == "skip"
    assert publisher("job", name, "--dry-run", "--if-exists", "fail").returncode == 11
    assert "else push it" in publisher("job", name, "--dry-run", "--force").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-build"], "--no-build needs --dry-run"),
        (["--force", "--if-exists", "skip"], "--force cannot be used with"),
        (["--latest", "--if-exists", "skip"], "--latest cannot be used with --if-exists skip"),
        (["--platform", "amd64"], "is not OS/ARCH"),
        (["--push-retries", "-1"], "--push-retries"),
        (["--poll-interval", "0"], "--poll-interval"),
        (["--if-exists", "maybe"], "maybe"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    publisher: Publisher, options: list[str], words: str
) -> None:
    result = publisher("job", "job:1.0", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert "==>" not in result.stderr


def test_latest_as_the_tag_itself_needs_no_latest(publisher: Publisher) -> None:
    assert publisher("job", "job:latest", "--latest").returncode == 2


@pytest.mark.parametrize("buildkit", ["1", "0"], ids=["buildkit", "classic"])
def test_secrets_stay_where_they_belong(
    publisher: Publisher, repository: str, tmp_path: Path, buildkit: str
) -> None:
    """Not on an argument list, not in the environment of a child, not on disk, not shown."""
    commands = tmp_path / "bin"
    home = tmp_path / "home"
    commands.mkdir()
    home.mkdir()
    real = shutil.which("docker")
    record = tmp_path / "children"
    (commands / "docker").write_text(
        f'#!/bin/sh\n{{ printf "%s\\n" "$@"; cat /proc/$$/environ; }} >>{record}\n'
        f'exec {real} "$@"\n'
    )
    (commands / "docker").chmod(0o755)
    plugins = Path(publisher.environ["DOCKER_CONFIG"], "cli-plugins")
    configuration = poisoned_configuration(home, publisher.scheduler.registry_host)
    (configuration / "cli-plugins").symlink_to(plugins)
    publisher.environ |= {
        "PATH": f"{commands}:{publisher.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "DOCKER_CONFIG": str(configuration),
        "DOCKER_BUILDKIT": buildkit,
    }
    before = (configuration / "config.json").read_text()
    result = publisher("job", f"{repository}:1.0", "-vv")
    assert result.returncode == 0, result.stderr
    secrets = configured_secrets(publisher.environ)
    assert secrets
    if buildkit == "1":
        assert "buildx" in record.read_text(errors="replace")
        assert find_secrets(record.read_text(errors="replace"), secrets) == []
    assert find_secrets(result.stdout + result.stderr, secrets) == []
    assert find_secrets_below(home, secrets) == []
    assert (configuration / "config.json").read_text() == before
