"""The GitHub Action, built and run as the runner does it, against a local Scheduler."""

import json
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from docker import DockerClient
from packaging.requirements import Requirement

from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from lusid_image_publish.reports.outputs import OUTPUTS
from lusid_image_publish.scheduler.job_models import ArgumentDefinition
from tests.faults import Fault
from tests.integration.cleanup import labelled
from tests.integration.github_step import (
    ACTION,
    BASE,
    Step,
    StepResult,
    network_with,
)
from tests.integration.leaks import find_secrets
from tests.integration.parts import (
    BUSYBOX,
    ENGINE_SOCKET,
    add_job,
    command_environment,
    gateway_of,
    interrupt_at,
    run,
)
from tests.integration.stage import Api, staged

MOST_MEGABYTES = 160
HOSTILE = (
    "\";touch /github/workspace/taken;$(touch /github/workspace/taken)' --force\n"
    "::error::taken\r::add-path::/taken\n##[add-path]/taken ::stop-commands::x\t${{ x }} %0A%25"
)
FOUND = {
    "vulnerabilities": [
        {"name": f"CVE-2026-{number}", "severity": severity, "package": "zlib", "version": "1.2"}
        for number, severity in enumerate(["Low", *["High"] * 12, "Critical", "Medium"])
    ]
}
HONEST = {"add-mask", "endgroup", "error", "group", "notice", "stop-commands", "warning"}


@pytest.fixture(scope="module")
def gateway(engine: DockerClient) -> str:
    return gateway_of(engine)


def scheduler_at(gateway: str, volume: str, **scans: object) -> LocalScheduler:
    settings = LocalSchedulerSettings(host=gateway, volume=volume, domain="foo", **scans)  # type: ignore[arg-type]
    return LocalScheduler(settings)


@pytest.fixture(scope="module")
def lusid(gateway: str, module_volume: str) -> Iterator[LocalScheduler]:
    with scheduler_at(gateway, module_volume, scan_delay=0) as running:
        yield running


@pytest.fixture(scope="module")
def network(lusid: LocalScheduler, gateway: str, engine: DockerClient) -> Iterator[str]:
    with network_with(lusid.registry_host, gateway, engine) as name:
        yield name


@pytest.fixture
def step(action: str, network: str, tmp_path: Path) -> Step:
    return Step(action, tmp_path, network)


def inputs_for(source: str, scheduler: LocalScheduler, **others: str) -> dict[str, str]:
    return {
        "source": source,
        "name": f"{source.partition(':')[0]}:1.0",
        "scheduler-url": scheduler.url,
        "allow-http": "true",  # containers have another loopback than this machine
        "access-token": scheduler.access_token.reveal(),
    } | {name.replace("_", "-"): value for name, value in others.items()}


def check_log(result: StepResult, *secrets: str) -> None:
    """Assert what is so of every log."""
    assert set(result.runner.acted) <= HONEST
    assert result.runner.stopped == ""
    assert "Traceback" not in result.log
    assert find_secrets(result.shown + result.summary + str(result.outputs), [*secrets]) == []


def test_without_source_and_name_it_says_so(step: Step) -> None:
    result = step.run({})
    assert result.code == ExitCode.USAGE
    assert result.runner.of_level("error") == [
        ("LUSID: usage (exit code 2)", "The input source is not given.")
    ]
    check_log(result)


def test_bad_credentials(step: Step, built: str, lusid: LocalScheduler) -> None:
    result = step.run(inputs_for(built, lusid, access_token="expired-long-ago"))
    assert result.code == ExitCode.AUTHENTICATION
    [(title, text)] = result.runner.of_level("error")
    assert title == "LUSID: authentication (exit code 3)"
    assert "did not accept the credentials" in text
    assert "Next step: " in text
    assert result.outputs["name"] == f"{built.partition(':')[0]}:1.0"
    assert "digest" not in result.outputs
    assert "Publishing" in result.summary
    check_log(result, "expired-long-ago")


def test_an_image_that_no_step_built(step: Step, repository: str, lusid: LocalScheduler) -> None:
    result = step.run(inputs_for(f"{repository}:ci", lusid))
    assert result.code == ExitCode.SOURCE
    [(_, text)] = result.runner.of_level("error")
    assert "docker/build-push-action needs `load: true`" in text
    check_log(result)


def test_a_breached_gate_has_outputs_a_summary_and_annotations(
    action: str, built: str, gateway: str, module_volume: str, tmp_path: Path
) -> None:
    findings = tmp_path / "findings.json"
    findings.write_text(json.dumps(FOUND))
    step = Step(action, tmp_path)
    with scheduler_at(gateway, module_volume, scan_delay=0, scan_findings=findings) as scheduler:
        report = "sarif\nmarkdown=report.md"
        result = step.run(inputs_for(built, scheduler, fail_on="high", report=report))
    assert result.code == ExitCode.SCAN_GATE
    assert result.outputs["pushed"] == "true"
    counts = ("critical", "high", "medium", "low", "fixable")
    assert [result.outputs[name] for name in counts] == ["1", "12", "1", "1", "0"]
    assert result.outputs["report-path"] == "lusid-publish.sarif\nreport.md"
    assert json.loads((step.workspace / "lusid-publish.sarif").read_text())["runs"]
    assert (step.workspace / "report.md").read_text() == result.summary
    assert "its scan breaks the policy" in result.summary
    errors = [title for title, _ in result.runner.of_level("error")]
    assert len(errors) == 10
    assert errors[0] == "critical: CVE-2026-13"
    assert errors[9] == "LUSID: scan gate (exit code 9)"
    assert result.runner.of_level("notice") == []
    check_log(result)


def test_a_publication_has_all_outputs_that_survive_the_masks(
    step: Step, built: str, lusid: LocalScheduler, engine: DockerClient
) -> None:
    result = step.run(inputs_for(built, lusid))
    repository = built.partition(":")[0]
    assert result.code == ExitCode.DONE
    assert set(result.outputs) == set(OUTPUTS) == set(ACTION["outputs"])
    assert result.outputs["name"] == f"{repository}:1.0"
    assert (result.outputs["repository"], result.outputs["tag"]) == (repository, "1.0")
    assert result.outputs["image-id"] == engine.images.get(built).id
    assert result.outputs["digest"].startswith("sha256:")
    assert int(result.outputs["size"]) > 0
    assert (result.outputs["pushed"], result.outputs["unchanged"]) == ("true", "false")
    assert result.outputs["scan-status"] == "COMPLETE"
    assert result.outputs["critical"] == "0"
    assert result.outputs["report-path"] == ""
    *_, digest, sentence = result.log.splitlines()
    assert digest == result.outputs["digest"]
    assert sentence.startswith(f"Published {repository}:1.0, ")
    assert "its scan found nothing, no policy set" in result.summary
    assert result.runner.acted[0] == "add-mask", "the token is masked before anything is done"
    assert result.runner.annotations == []
    check_log(result, lusid.access_token.reveal())
    again = step.run(inputs_for(built, lusid))
    assert (again.outputs["pushed"], again.outputs["unchanged"]) == ("false", "true")
    assert again.outputs["digest"] == result.outputs["digest"]


def test_the_job_gets_the_image_and_runs(
    step: Step, built: str, lusid: LocalScheduler, repository: str
) -> None:
    key = ArgumentDefinition(
        data_type="SecureString", description="d", order=1, passed_as="EnvironmentVariable"
    )
    job = add_job(lusid.environment(), repository, KEY=key)
    argument = "KEY=a-secret-of-the-workflow"
    result = step.run(inputs_for(built, lusid, job=job, run_job="true", argument=argument))
    assert result.code == ExitCode.DONE, result.log
    assert (result.outputs["job-updated"], result.outputs["run-status"]) == ("true", "Succeeded")
    arrow = "\N{RIGHTWARDS ARROW}"
    assert f"\n- Job {job}: `old:1` {arrow} `{repository}:1.0`\n" in result.summary
    assert "Succeeded after 0" in result.summary
    assert [title.split(" ")[0] for title in result.runner.groups] == ["Pushing"]
    assert "    no output" in result.shown
    check_log(result, "a-secret-of-the-workflow")
    again = step.run(inputs_for(built, lusid, job=job))
    assert (again.outputs["job-updated"], again.outputs["run-id"]) == ("false", "")


@pytest.mark.usefixtures("clean_engine")
def test_what_has_output_is_a_group_that_ends_with_the_result(
    step: Step, repository: str, lusid: LocalScheduler
) -> None:
    (step.workspace / "Dockerfile").write_text(labelled(f"FROM {BUSYBOX}\n", repository))
    inputs = inputs_for(f"{repository}:ci", lusid) | {"source": "./Dockerfile"}
    groups = step.run(inputs).runner.groups
    assert [title.split(" ")[0] for title in groups] == ["Building", "Pushing"]
    built, pushed = groups.values()
    assert built[-1].startswith(f"    built {repository}:1.0 in the engine: image id sha256:")
    assert pushed[-1].startswith("    pushed sha256:")


@pytest.mark.usefixtures("clean_engine")
def test_a_step_that_fails_in_a_group_has_that_as_its_last_line(
    step: Step, repository: str, lusid: LocalScheduler
) -> None:
    text = labelled(f"FROM {BUSYBOX}\nRUN exit 7\n", repository)
    (step.workspace / "Dockerfile").write_text(text)
    inputs = inputs_for(f"{repository}:ci", lusid) | {"source": "./Dockerfile"}
    result = step.run(inputs)
    assert result.code == ExitCode.SOURCE
    [lines] = result.runner.groups.values()
    assert lines[-1] == "    failed"
    check_log(result)


def test_a_dockerfile_in_the_workspace(
    step: Step, repository: str, lusid: LocalScheduler, clean_engine: DockerClient
) -> None:
    text = f"FROM {BUSYBOX}\nARG WORD\nRUN echo ::error::$WORD && printf '%s' '##[error]x'\n"
    (step.workspace / "Dockerfile").write_text(labelled(text, repository))
    arguments = inputs_for(f"{repository}:ci", lusid, build_arg="WORD=taken", label="a=b\nc=d e")
    result = step.run(arguments | {"source": "./Dockerfile"})
    assert result.code == ExitCode.DONE
    assert "::error::taken" in result.log
    assert result.runner.annotations == []
    labels = clean_engine.images.get(f"{repository}:1.0").labels
    assert (labels["a"], labels["c"]) == ("b", "d e")
    check_log(result, lusid.access_token.reveal())


@pytest.mark.parametrize("key", ["build-arg", "label"])
def test_a_value_of_several_lines_is_refused_and_not_cut(
    key: str, step: Step, repository: str, lusid: LocalScheduler
) -> None:
    (step.workspace / "Dockerfile").write_text(labelled(f"FROM {BUSYBOX}\n", repository))
    inputs = inputs_for(f"{repository}:ci", lusid) | {"source": "./Dockerfile"}
    result = step.run(inputs | {key: "A=1\nKEY=first\nMIIEvQ\n"})
    assert result.code == ExitCode.USAGE
    [(_, text)] = result.runner.of_level("error")
    assert f"input {key}: Line 3 is not NAME=VALUE. Each line is one {key}." in text
    assert text.endswith("into .lusid-publish.toml, as a list or a table.")
    assert "MIIEvQ" not in result.log
    assert "Building" not in result.log


def test_source_and_name_that_are_swapped(
    step: Step, repository: str, lusid: LocalScheduler
) -> None:
    name = f"{repository}:1.0"
    result = step.run(inputs_for(name, lusid) | {"name": "./Dockerfile"})
    assert result.code == ExitCode.USAGE
    [(_, text)] = result.runner.of_level("error")
    assert text.startswith("Input source and input name are swapped.")
    assert text.endswith("Next step: Swap them.")


def test_an_archive_in_the_workspace(step: Step, built: str, lusid: LocalScheduler) -> None:
    archive = step.workspace / "image.tar"
    subprocess.run(["docker", "save", "--output", archive, built], check=True)
    result = step.run(inputs_for(built, lusid) | {"source": "image.tar"})
    assert result.code == ExitCode.DONE
    assert result.outputs["pushed"] == "true"
    check_log(result, lusid.access_token.reveal())


def test_a_pull_request_from_a_fork(step: Step, built: str, lusid: LocalScheduler) -> None:
    event = {"pull_request": {"head": {"repo": {"full_name": "them/job"}}}}
    (step.workspace.parent / "workflow" / "event.json").write_text(json.dumps(event))
    environ = {"GITHUB_EVENT_NAME": "pull_request"}
    without = inputs_for(built, lusid, access_token="", scheduler_url="")
    failed = step.run(without, environ)
    assert failed.code == ExitCode.USAGE
    [(_, text)] = failed.runner.of_level("error")
    assert "a pull request from a fork, and GitHub gives it no secrets" in text
    assert text.endswith(
        "To let such runs succeed without publishing, use input on-missing-credentials skip."
    )
    skipped = step.run(without | {"on-missing-credentials": "skip"}, environ)
    assert skipped.code == ExitCode.DONE
    assert (skipped.outputs["pushed"], skipped.outputs["unchanged"]) == ("false", "false")
    [(_, text)] = skipped.runner.of_level("warning")
    assert "was not published" in text
    assert "from a fork" in skipped.summary
    check_log(skipped)


def test_a_secret_that_is_gone_is_never_skipped(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    result = step.run(inputs_for(built, lusid, access_token="", on_missing_credentials="skip"))
    assert result.code == ExitCode.AUTHENTICATION
    [(_, text)] = result.runner.of_level("error")
    assert "Settings > Secrets and variables > Actions" in text
    assert "Set input access-token, or input access-token-file, or all of input token-url" in text
    assert "--" not in text


def test_a_dry_run_says_what_would_come(step: Step, built: str, lusid: LocalScheduler) -> None:
    result = step.run(inputs_for(built, lusid, dry_run="true", latest="true", report="sarif"))
    assert result.code == ExitCode.DONE
    assert result.outputs["name"] == f"{built.partition(':')[0]}:1.0"
    assert (result.outputs["pushed"], result.outputs["unchanged"]) == ("false", "false")
    assert "Would: push it" in result.summary
    assert "this was a dry run" in result.shown
    assert not any("Would" in line for lines in result.runner.groups.values() for line in lines)


def test_credentials_that_are_not_accepted_are_never_skipped(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    arguments = inputs_for(built, lusid, access_token="wrong-wrong", on_missing_credentials="skip")
    assert step.run(arguments).code == ExitCode.AUTHENTICATION


def test_an_input_is_stronger_than_the_environment(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    (step.workspace / "token").write_text("stale-token")
    environ = {"FBN_ACCESS_TOKEN_FILE": "token", "FBN_SCHEDULER_URL": "http://127.0.0.1:9"}
    assert step.run(inputs_for(built, lusid), environ).code == ExitCode.DONE


def test_the_environment_s_credentials_work_as_well(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    environ = lusid.environment()
    del environ["FBN_ACCESS_TOKEN"]
    inputs = {"source": built, "name": f"{built.partition(':')[0]}:1.0", "allow-http": "true"}
    result = step.run(inputs, environ)
    assert result.code == ExitCode.DONE
    assert environ["FBN_PASSWORD"] in result.runner.masks
    check_log(result, environ["FBN_PASSWORD"], environ["FBN_CLIENT_SECRET"])


def test_a_secret_that_is_part_of_an_output_empties_none(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    arguments = inputs_for(built, lusid, username="me", password=built.partition(":")[0])
    result = step.run(arguments | {"access-token": lusid.access_token.reveal()})
    assert result.outputs["name"] == arguments["name"]
    assert arguments["password"] not in result.runner.masks


def test_variables_stand_for_inputs_that_are_not_given(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    environ = {"LUSID_PUBLISH_FAIL_ON": "awful", "LUSID_PUBLISH_DRY_RUN": "true"}
    refused = step.run(inputs_for(built, lusid), environ)
    assert refused.code == ExitCode.USAGE
    assert "input fail-on" in refused.runner.of_level("error")[0][1]
    result = step.run(inputs_for(built, lusid, fail_on="high"), environ)
    assert result.code == ExitCode.DONE
    assert "this was a dry run" in result.shown


def test_modules_of_the_workspace_are_not_run(
    step: Step, built: str, lusid: LocalScheduler
) -> None:
    for name in ("click.py", "sitecustomize.py", "docker.py"):
        (step.workspace / name).write_text("print('taken')\n")
    environ = {"PYTHONPATH": ".", "PYTHONSTARTUP": "click.py"}
    result = step.run(inputs_for(built, lusid, dry_run="true"), environ)
    assert result.code == ExitCode.DONE
    assert "taken" not in result.log


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    # Without a container, because docker itself makes text of it.
    inputs = {"INPUT_SOURCE": "a:1", "INPUT_NAME": "a:1", "INPUT_SCHEDULER-URL": "https://x"}
    inputs["INPUT_ACCESS-TOKEN"] = b"caf\xe9-caf\xe9".decode(errors="surrogateescape")
    environ = command_environment(GITHUB_ACTIONS="true", **inputs)
    done = run("publish", cwd=tmp_path, environ=environ)
    assert done.returncode == ExitCode.USAGE
    assert "is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_logging_shows_the_log(step: Step, built: str, lusid: LocalScheduler) -> None:
    result = step.run(inputs_for(built, lusid), {"RUNNER_DEBUG": "1"})
    assert "DEBUG lusid_image_publish" in result.log
    assert "access_token = ***  (input access-token)" in result.log
    check_log(result, lusid.access_token.reveal())


CONTAINED = ("name", "build-arg", "username")
"""Inputs that are tried in a container: it hands all of them over in the same way."""


def test_no_value_of_any_input_does_harm(
    action: str, built: str, lusid: LocalScheduler, tmp_path: Path
) -> None:
    def run(name: str) -> tuple[str, Step, StepResult]:
        folder = tmp_path / name
        folder.mkdir()
        step = Step(action, folder)
        run_step = step.run if name in CONTAINED else step.run_without_container
        return name, step, run_step(inputs_for(built, lusid) | {name: HOSTILE})

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, ACTION["inputs"]))
    for name, step, result in results:
        assert result.code in set(ExitCode) - {ExitCode.BUG}, f"{name}: {result.log}"
        assert "taken" not in "".join(result.runner.acted), name
        assert [*step.workspace.iterdir()] == [], name
        assert result.outputs.get("tag", "1.0") == "1.0", name
        assert all("taken" not in title for _, title, _ in result.runner.annotations), name
        check_log(result)
    refused = {name for name, _, result in results if result.code != ExitCode.DONE}
    unused = {"username", "password", "client-id", "client-secret", "token-url"}
    unused |= {"proxy-username", "proxy-password", "ignore"}
    assert refused >= ACTION["inputs"].keys() - unused


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_a_cancelled_step_ends_before_it_is_killed(
    number: signal.Signals,
    code: ExitCode,
    action: str,
    built: str,
    gateway: str,
    module_volume: str,
    tmp_path: Path,
    engine: DockerClient,
) -> None:
    step = Step(action, tmp_path)
    with scheduler_at(gateway, module_volume, scan_status="PENDING") as scheduler:
        process = step.start(inputs_for(built, scheduler), {})
        try:
            ended, log = interrupt_at(process, "pending", number)
        finally:
            step.remove()
    result = step.result(ended, log)
    assert result.code == code
    assert result.outputs["digest"].startswith("sha256:"), "LUSID has the image"
    assert result.outputs["pushed"] == "true"
    assert f"Interrupted by {'Ctrl-C (SIGINT)' if number == signal.SIGINT else 'SIGTERM'}" in log
    assert "is in LUSID with sha256:" in log
    assert engine.containers.list(all=True, filters={"name": step.name}) == []
    check_log(result)


def test_a_step_that_is_cancelled_in_the_midst_of_a_push(
    action: str, lusid: LocalScheduler, gateway: str, tmp_path: Path, engine: DockerClient
) -> None:
    with (
        staged(engine, lusid, tmp_path) as stage,
        network_with(stage.lusid.host, gateway, engine) as network,
    ):
        stage.registry.fault, stage.registry.always = Fault.STALL, True
        stage.registry.at = lambda asked, _: asked.method in {"PATCH", "PUT"}
        step = Step(action, tmp_path, network)
        inputs = {"source": stage.local, "name": stage.name}
        inputs["scheduler-url"] = f"http://{stage.lusid.host}/scheduler2"
        process = step.start(inputs | {"access-token": lusid.access_token.reveal()}, {})
        try:
            # The runner sends SIGINT, and SIGTERM to what is still there; here almost at once.
            code, log = interrupt_at(process, ": Pushing", signal.SIGINT, signal.SIGTERM)
        finally:
            step.remove()
        assert engine.images.get(stage.image_id).tags == [stage.local], "no tag is left behind"
        assert Api(lusid).tags(stage.repository) == {}
    result = step.result(code, log)
    assert code == ExitCode.INTERRUPTED
    assert "The push was cancelled. It is safe to run again." in log
    assert "digest" not in result.outputs
    check_log(result, lusid.access_token.reveal())


def test_the_image_is_small_and_holds_what_it_should(action: str, engine: DockerClient) -> None:
    attributes = engine.images.get(action).attrs
    assert attributes["Size"] < MOST_MEGABYTES * 1_000_000
    assert attributes["Config"]["Entrypoint"] == ["lusid-publish"]
    assert attributes["Config"].get("User", "") == ""
    listed = engine.containers.run(
        action,
        [
            "-c",
            (
                "import importlib.metadata as m, os;"
                "print(*(f'{d.name}=={d.version}' for d in m.distributions()));"
                "print(*os.listdir('/workspace'), *os.listdir('/opt'))"
            ),
        ],
        entrypoint="python3",
        remove=True,
    )
    distributions, folders = listed.decode().splitlines()
    constraints = (Path(__file__).parents[2] / "constraints.txt").read_text()
    pins = {Requirement(pin) for pin in re.findall(r"^\S+==\S+", constraints, re.MULTILINE)}
    loose = {each for each in map(Requirement, distributions.split()) if each not in pins}
    assert [each.name for each in loose] == ["lusid-image-publish"]
    assert folders.split() == ["lusid"]


def test_by_hand_it_is_lusid_publish(action: str, built: str, lusid: LocalScheduler) -> None:
    words = ["docker", "run", "--rm", "-v", f"{ENGINE_SOCKET}:/var/run/docker.sock"]
    environ = os.environ | lusid.environment()
    variables = [
        word for name in ("FBN_SCHEDULER_URL", "FBN_ACCESS_TOKEN") for word in ("-e", name)
    ]
    name = f"{built.partition(':')[0]}:1.0"
    done = subprocess.run(
        [*words, *variables, action, built, name, "--allow-http"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("sha256:")
    assert done.stderr.startswith(f"==> Checking LUSID for {name}\n")
    helped = subprocess.run(
        ["docker", "run", "--rm", action, "--help"], capture_output=True, text=True, check=True
    )
    assert helped.stdout.startswith("Usage: lusid-publish")


def test_the_context_that_is_sent_has_what_the_image_needs_alone(
    clean_engine: DockerClient, repository: str, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(labelled(f"FROM {BASE}\nCOPY . /context\n", repository))
    name = f"{repository}:context"
    subprocess.run(
        ["docker", "build", "-t", name, "-f", str(dockerfile), str(root)],
        env=os.environ | {"DOCKER_BUILDKIT": "0"},
        capture_output=True,
        check=True,
    )
    container = clean_engine.containers.create(name, "nothing")  # removed with the image
    stream, _ = container.get_archive("/context")
    archive = tmp_path / "context.tar"
    archive.write_bytes(b"".join(stream))
    with tarfile.open(archive) as tar:
        top = {member.name.split("/")[1] for member in tar if "/" in member.name}
    assert top == {
        "LICENSE",
        "README.md",
        "constraints.txt",
        "lusid_image_publish",
        "pyproject.toml",
    }
