"""The template for GitLab, in pipelines that gitlab-ci-local runs, against a local Scheduler."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from lusid_image_publish.errors import ExitCode
from lusid_image_publish.local_scheduler.server import LocalScheduler, LocalSchedulerSettings
from tests.integration.cleanup import labelled
from tests.integration.gitlab_pipeline import (
    COMPONENT,
    NO_ENGINE,
    SHELL,
    SOCKET,
    VALIDATED,
    Project,
)
from tests.integration.leaks import find_secrets
from tests.integration.parts import BUSYBOX, add_job
from tests.unit.reports.gitlab_rules import broken_rules

JOB = "publish-to-lusid"
USE = {"use": {"stage": "use", "script": ['echo "use $LUSID_IMAGE_NAME@$LUSID_IMAGE_DIGEST"']}}
HOSTILE = "\"; touch taken; $(touch taken) `touch taken` ' | & \\ {{ x }} - [a]: #"


@pytest.fixture(scope="module")
def bad(module_volume: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalScheduler]:
    """A Scheduler whose scans find something."""
    findings = tmp_path_factory.mktemp("findings") / "findings.json"
    links = ["https://example.com/CVE-2026-1"]
    found = [{"name": "CVE-2026-1", "severity": "High", "package": "zlib", "links": links}]
    findings.write_text(json.dumps({"vulnerabilities": found}))
    settings = LocalSchedulerSettings(volume=module_volume, scan_delay=0, scan_findings=findings)
    with LocalScheduler(settings) as running:
        yield running


@pytest.fixture
def project(action: str, tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, action)


def variables(scheduler: LocalScheduler) -> dict[str, str]:
    environ = scheduler.environment()
    return {name: environ[name] for name in ("FBN_SCHEDULER_URL", "FBN_ACCESS_TOKEN")}


def component(project: Project, built: str, **inputs: str) -> dict[str, Any]:
    name = f"{built.partition(':')[0]}:1.0"
    usual = {"image_from": "socket", "source": built, "name": name}
    return {"component": COMPONENT, "inputs": project.inputs(**(usual | inputs))}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"name": "My-Job:1.0"}, "`name` input"),
        ({"name": "my-job"}, "`name` input"),
        ({"source": "a; touch taken"}, "`source` input"),
        ({"job_name": "a: b"}, "`job-name` input"),
        ({"image_from": "elsewhere"}, "`image-from` input: `elsewhere` cannot be used"),
        ({"fail_on": "awful"}, "`fail-on` input: `awful` cannot be used"),
        ({"push_timeout": "ten"}, "`push-timeout` input"),
        ({"force": "perhaps"}, "`force` input"),
        ({"max": "$(touch taken)"}, "`max` input"),
        ({"build_arg": "KEY=first\n\nMIIEvQ\n"}, "`build-arg` input"),
        ({"build_arg": "KEY=first\nOTHER=second\n"}, "`build-arg` input"),
        ({"label": "a=first\n\nsecond line\n"}, "`label` input"),
        ({"label": "a='\n  script: [touch taken]\n  x: '"}, "`label` input"),
        ({"username": "me\n  script: [touch taken]"}, "`username` input"),
        ({"client_id": "me\u2028  script: [touch taken]"}, "`client-id` input"),
    ],
)
def test_bad_inputs_are_refused_before_anything_runs(
    inputs: dict[str, str], words: str, project: Project, lusid: LocalScheduler
) -> None:
    included = component(project, "my-job:ci", **inputs)
    result = project.run(project.pipeline(included), *SHELL, variables=variables(lusid))
    assert result.code == 1
    assert words in result.log
    assert result.jobs == {}
    assert not (project.folder / "taken").exists()


@pytest.fixture(scope="module")
def lusid(module_volume: str) -> Iterator[LocalScheduler]:
    settings = LocalSchedulerSettings(volume=module_volume, scan_delay=0)
    with LocalScheduler(settings) as running:
        yield running


def test_without_credentials_it_fails_with_the_reason(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    given = {"CI_COMMIT_REF_PROTECTED": "false"}
    failing = component(project, built, scheduler_url=lusid.url)
    result = project.run(project.pipeline(failing), *SHELL, variables=given)
    assert result.jobs == {JOB: ("FAIL", ExitCode.AUTHENTICATION)}
    assert "this branch or tag is not protected" in result.log_of(JOB)


def test_without_credentials_it_can_be_skipped(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    included = component(project, built, scheduler_url=lusid.url, on_missing_credentials="skip")
    given = {"CI_COMMIT_REF_PROTECTED": "false"}
    result = project.run(project.pipeline(included), *SHELL, variables=given)
    assert result.jobs == {JOB: ("PASS", 0)}
    assert "was not published" in result.log_of(JOB)
    assert not list(result.folder.rglob("lusid-publish.env"))


def test_a_variable_that_is_gone_is_never_skipped(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    included = component(project, built, scheduler_url=lusid.url, on_missing_credentials="skip")
    given = {"CI_COMMIT_REF_PROTECTED": "true"}
    result = project.run(project.pipeline(included), *SHELL, variables=given)
    assert result.jobs == {JOB: ("FAIL", ExitCode.AUTHENTICATION)}
    assert "Settings > CI/CD > Variables" in result.log_of(JOB)
    assert not list(result.folder.rglob("lusid-publish.env"))


@pytest.mark.parametrize("executor", [SHELL, SOCKET], ids=["shell", "docker"])
def test_a_gate_that_fails_is_a_code_that_the_pipeline_can_allow(
    executor: tuple[str, ...], project: Project, built: str, bad: LocalScheduler
) -> None:
    included = component(project, built, fail_on="high")
    hard = project.run(project.pipeline(included, USE), *executor, variables=variables(bad))
    assert hard.jobs == {JOB: ("FAIL", ExitCode.SCAN_GATE)}
    assert hard.code == 1
    report = json.loads(hard.artifact(JOB, "gl-container-scanning-report.json"))
    assert broken_rules(report) == []
    assert [each["severity"] for each in report["vulnerabilities"]] == ["High"]
    [links] = json.loads(hard.artifact(JOB, "gl-annotations.json")).values()
    assert links[0]["external_link"]["url"] == "https://example.com/CVE-2026-1"

    soft = component(project, built, fail_on="high", gate="warn")
    result = project.run(project.pipeline(soft, USE), *executor, variables=variables(bad))
    assert result.code == 0
    assert result.jobs == {JOB: ("WARN", ExitCode.SCAN_GATE), "use": ("PASS", 0)}
    assert f"use {built.partition(':')[0]}:1.0@sha256:" in result.log_of("use")


@pytest.mark.parametrize("executor", [SHELL, SOCKET], ids=["shell", "docker"])
def test_a_later_job_knows_what_was_published(
    executor: tuple[str, ...], project: Project, built: str, lusid: LocalScheduler
) -> None:
    included = component(project, built, report="markdown=summary.md")
    pipeline = project.pipeline(included, USE)
    result = project.run(pipeline, *executor, VALIDATED, variables=variables(lusid))
    assert result.jobs == {JOB: ("PASS", 0), "use": ("PASS", 0)}
    log = result.log_of(JOB)
    [digest] = re.findall(r"^sha256:[0-9a-f]{64}$", log, re.MULTILINE)
    assert f"use {built.partition(':')[0]}:1.0@{digest}\n" in result.log_of("use")
    assert "lusid_1_pushing took" in log, "the runner knows where each section begins and ends"
    assert "the markdown report is in summary.md" in log
    assert find_secrets(log, [lusid.access_token.reveal()]) == []
    dotenv = result.artifact(JOB, ".gitlab-ci-reports/dotenv/lusid-publish.env")
    assert f"LUSID_IMAGE_DIGEST={digest}\n" in dotenv
    assert "LUSID_IMAGE_PUSHED=true\n" in dotenv
    assert len(dotenv) < 5000


def test_the_scheduler_s_job_gets_the_image_and_runs(
    project: Project, built: str, lusid: LocalScheduler, repository: str
) -> None:
    job = add_job(lusid.environment(), repository)
    pipeline = project.pipeline(component(project, built, job=job, run_job="true"))
    result = project.run(pipeline, *SHELL, variables=variables(lusid))
    assert result.jobs == {JOB: ("PASS", 0)}, result.log_of(JOB)
    dotenv = result.artifact(JOB, ".gitlab-ci-reports/dotenv/lusid-publish.env").splitlines()
    assert {"LUSID_IMAGE_JOB_UPDATED=true", "LUSID_IMAGE_RUN_STATUS=Succeeded"} <= set(dotenv)
    assert f"it now has {repository}:1.0 instead of old:1" in result.log_of(JOB)


def test_an_archive_that_another_job_left_needs_no_engine(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    build = {
        "build": {  # without an image it runs on this machine, where there is an engine
            "stage": "build",
            "script": [f"docker save --output image.tar {built}"],
            "artifacts": {"paths": ["image.tar"]},
        }
    }
    included = component(project, built, image_from="archive", source="image.tar")
    pipeline = project.pipeline(included, build | USE)
    result = project.run(pipeline, *NO_ENGINE, variables=variables(lusid))
    assert result.jobs == {"build": ("PASS", 0), JOB: ("PASS", 0), "use": ("PASS", 0)}
    assert "found image sha256:" in result.log_of(JOB)
    assert f"use {built.partition(':')[0]}:1.0@sha256:" in result.log_of("use")


def test_what_another_job_published_is_not_taken_for_this_one_s(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    first = component(project, built, job_name="first")
    second = component(project, built, job_name="second", stage="use", dry_run="true")
    pipeline = project.pipeline({}) | {"include": [first, second]}
    result = project.run(pipeline, *SHELL, variables=variables(lusid))
    assert result.jobs == {"first": ("PASS", 0), "second": ("PASS", 0)}
    left = result.folder / ".gitlab-ci-local/artifacts/second"
    assert not list(left.rglob("gl-*.json"))
    assert not list(left.rglob("*.env"))


def test_a_dockerfile_with_values_of_many_lines(
    project: Project, repository: str, lusid: LocalScheduler, clean_engine: DockerClient
) -> None:
    text = f"FROM {BUSYBOX}\nARG WORD\nRUN echo $WORD\n"
    (project.folder / "Dockerfile").write_text(labelled(text, repository))
    included = component(
        project,
        f"{repository}:ci",
        source="./Dockerfile",
        label="first=1 2\n\nsecond=3\n",
        build_arg="WORD=said",
        name=f"{repository}:$CI_COMMIT_SHORT_SHA",
    )
    result = project.run(project.pipeline(included), *SOCKET, variables=variables(lusid))
    assert result.jobs == {JOB: ("PASS", 0)}
    [image] = clean_engine.images.list(repository)
    assert (image.labels["first"], image.labels["second"]) == ("1 2", "3")


def test_a_variable_of_several_lines_is_refused_and_not_cut(
    project: Project, repository: str, lusid: LocalScheduler
) -> None:
    (project.folder / "Dockerfile").write_text(labelled(f"FROM {BUSYBOX}\n", repository))
    included = component(
        project, f"{repository}:ci", source="./Dockerfile", build_arg="A=1\n\nKEY=$LINES"
    )
    given = variables(lusid) | {"LINES": "first\nMIIEvQ"}
    result = project.run(project.pipeline(included), *SOCKET, variables=given)
    assert result.jobs == {JOB: ("FAIL", ExitCode.USAGE)}
    log = result.log_of(JOB)
    assert "input build-arg: Line 4 is not NAME=VALUE." in log
    assert "MIIEvQ" not in log
    assert "Building" not in log


def test_what_is_not_waited_for_is_not_reported(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    included = component(project, built, wait_for="visible")
    result = project.run(project.pipeline(included, USE), *SHELL, variables=variables(lusid))
    assert result.jobs == {JOB: ("PASS", 0), "use": ("PASS", 0)}
    assert "Waiting for the scan" not in result.log_of(JOB)


def test_a_plain_include_twice_in_one_pipeline(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    repository = built.partition(":")[0]
    includes = [
        {
            "local": "templates/lusid-publish.yml",
            "inputs": project.inputs(
                job_name=f"publish-{number}",
                image_from="socket",
                source=built,
                name=f"{repository}:{number}",
                dry_run=dry,
            ),
        }
        for number, dry in (("1", ""), ("2", "true"))
    ]
    pipeline = project.pipeline({}) | {"include": includes}
    result = project.run(pipeline, *SHELL, VALIDATED, variables=variables(lusid))
    assert result.jobs == {"publish-1": ("PASS", 0), "publish-2": ("PASS", 0)}
    assert "this was a dry run" in result.log_of("publish-2")


def test_no_value_of_an_input_is_a_command(
    project: Project, built: str, lusid: LocalScheduler
) -> None:
    included = component(
        project,
        built,
        label=f"a={HOSTILE.replace(chr(39), '')}",
        build_arg=f"A={HOSTILE.replace(chr(39), '')}",
        context=HOSTILE,
        username=HOSTILE,
        client_id=HOSTILE,
        app_name=HOSTILE,
        config=HOSTILE,
        secrets_file=HOSTILE,
    )
    result = project.run(project.pipeline(included), *SHELL, variables=variables(lusid))
    [(end, code)] = result.jobs.values()
    assert (end, code) == ("FAIL", ExitCode.USAGE)
    assert not list(project.folder.rglob("taken"))
    assert "Traceback" not in result.log
