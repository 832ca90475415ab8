"""Run lusid-publish."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from lusid_image_publish.cli.closing import closing_sentence, look_command
from lusid_image_publish.cli.connection import (
    lacks_credentials,
    open_settings,
    warn_of_empty_scans,
)
from lusid_image_publish.cli.connection_options import Connection
from lusid_image_publish.cli.console import console
from lusid_image_publish.cli.outcome import (
    hand_over,
    record_arrival,
    record_beginning,
    record_failure,
    record_interruption,
    record_unpublished,
    record_wrong_settings,
)
from lusid_image_publish.cli.plan import show_plan
from lusid_image_publish.cli.report_files import remove_own
from lusid_image_publish.cli.report_option import ReportFiles
from lusid_image_publish.cli.scan_choice import ScanChoice, choose_scan
from lusid_image_publish.cli.start import import_quickly
from lusid_image_publish.errors import (
    ConfigurationError,
    LusidPublishError,
    MissingCredentialsError,
    MissingSettingError,
    OutputError,
)
from lusid_image_publish.jobs.job_results import JobPolicy
from lusid_image_publish.names import ImageName
from lusid_image_publish.progress import Arrived, Event
from lusid_image_publish.publishing.lusid_tag import LusidTag
from lusid_image_publish.publishing.plan import plan_publication
from lusid_image_publish.publishing.policy import Limits, Policy
from lusid_image_publish.publishing.publish import publish_source
from lusid_image_publish.publishing.results import PublishResult
from lusid_image_publish.publishing.run import Run
from lusid_image_publish.registry.registry_tag import Registries
from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.document import json_text
from lusid_image_publish.reports.formats import FORMATS
from lusid_image_publish.scheduler.client import ImagesClient
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.find_source import find_source, parse_name

if TYPE_CHECKING:  # without --job nothing of the Jobs API is imported
    from lusid_image_publish.jobs.follow_up import FollowUp


def publish_image(  # noqa: PLR0913  # click passes each option as a parameter
    *,
    source: str,
    name: str,
    connection: Connection,
    dry_run: bool,
    no_build: bool,
    if_exists: Literal["verify", "fail", "skip"],
    force: bool,
    latest: bool,
    no_reuse: bool,
    build: Mapping[str, Any],
    platform: str,
    image: str | None,
    engine_timeout: float,
    wait_for: Literal["visible", "scan"],
    scan: Mapping[str, Any],
    job: Mapping[str, Any],
    output: str,
    on_missing_credentials: str,
    **limits: Any,
) -> None:
    """Publish an image, show the result, write the reports and the CI's outputs."""
    began = time.monotonic()
    with _report_wrong_settings():
        choice, options = choose_scan(scan), BuildOptions(**build)
        image_name = parse_name(name, source)
    scan_policy = choice.policy if wait_for == "scan" else None
    policy = Policy(
        if_exists=if_exists, force=force, latest=latest, reuse=not no_reuse, scan=scan_policy
    )
    job_policy = _job_policy(job, connection)
    arguments = tuple(job_policy.arguments)
    connection = replace(connection, jobs=dict.fromkeys(job_policy.jobs, arguments))
    arrivals: list[Arrived] = []
    reports = () if dry_run else choice.reports
    with _report_failures(image_name, reports, connection, arrivals):
        record_beginning(image_name)
        _refuse_contradictions(image_name, choice, policy, dry_run=dry_run, no_build=no_build)
        _refuse_job_contradictions(job_policy, policy)
        image_source = find_source(source, options, image=image)
        if is_to_be_skipped(on_missing_credentials, connection):
            _skip_publication(image_name, output)
            return
        with ExitStack() as stack:
            settings = stack.enter_context(open_settings(connection))
            images = stack.enter_context(ImagesClient(settings))
            engine = image_source.connect(
                os.environ, patience=engine_timeout, listener=console.listen
            )
            if engine:
                stack.callback(engine.close)
            lusid = LusidTag(
                name=image_name,
                images=images,
                limits=Limits(scan_timeout=choice.timeout, **limits),
                listener=partial(_listen, image_name, arrivals),
            )
            run = Run(
                lusid=lusid,
                registries=stack.enter_context(Registries(settings)),
                engine=engine,
                platform=platform,
                secrets_file=connection.secrets_file,
            )
            if scan_policy:
                warn_of_empty_scans(connection, scan_policy)
            jobs = _look_at_jobs(lusid, job_policy)
            if dry_run:
                plan = plan_publication(image_source, run, policy, build=not no_build)
            else:
                result = publish_source(image_source, run, policy)
                interruption = _follow_up(jobs, result)
            console.close()
    if dry_run:
        show_plan(plan, scan_policy, output, choice.reports, jobs.plan() if jobs else ())
        return
    content = ReportContent(
        result=result,
        jobs=tuple(jobs.results) if jobs else (),
        made=datetime.now(UTC),
        location=image_source.alert_file(),
        seconds=time.monotonic() - began,
        wording=console.wording,
    )
    answer = result.digest if output == "text" else None
    hand_over(content, choice.reports, answer, interruption)
    console.remark(closing_sentence(result, time.monotonic() - began))
    if connection.local:
        console.remark(look_command(result))


def _job_policy(values: Mapping[str, Any], connection: Connection) -> JobPolicy:
    return JobPolicy(
        jobs=values["jobs"],
        force=values["force_job"],
        run=values["run_job"],
        arguments=values["arguments"],
        run_timeout=values["run_timeout"],
        is_local=connection.local,
    )


def _look_at_jobs(tag: LusidTag, policy: JobPolicy) -> "FollowUp | None":
    """Check the jobs before anything is built, and return them; None if none is named."""
    if not policy.jobs:
        return None
    jobs: FollowUp = import_quickly("job_steps").look_at_jobs(tag, policy)
    return jobs


def _follow_up(jobs: "FollowUp | None", result: PublishResult) -> KeyboardInterrupt | None:
    """Update the jobs, unless the scan did not pass.

    Return an interruption, so that the publication is still reported.
    """
    if jobs is None:
        return None
    try:
        if result.scan and result.scan.failure():
            jobs.leave()
        else:
            jobs.follow()
    except KeyboardInterrupt as interruption:
        return interruption
    return None


def _listen(name: ImageName, arrivals: list[Arrived], event: Event) -> None:
    if isinstance(event, Arrived):
        arrivals.append(event)
    console.listen(event)
    if isinstance(event, Arrived):
        record_arrival(name, event)


@contextmanager
def _report_wrong_settings() -> Iterator[None]:
    """Report settings to the CI without which it is not known what to publish, or how."""
    try:
        yield
    except ConfigurationError as error:
        record_wrong_settings(error)
        raise


@contextmanager
def _report_failures(
    name: ImageName, files: ReportFiles, connection: Connection, arrivals: Sequence[Arrived]
) -> Iterator[None]:
    """Report an error to the CI, with a cause that the CI knows."""
    try:
        yield
    except LusidPublishError as error:
        if isinstance(error, MissingCredentialsError | MissingSettingError):
            explain_missing_credentials(error, connection)
        try:
            record_failure(name, files, error, has_arrived=bool(arrivals))
        except OutputError as lost:
            console.show_error(lost)
        raise
    except KeyboardInterrupt:
        with suppress(OutputError):
            remove_own(files)
        with suppress(OutputError):
            record_interruption(name, has_arrived=bool(arrivals))
        raise
    except Exception:  # a bug
        with suppress(OutputError):
            remove_own(files)
        raise


def explain_missing_credentials(error: LusidPublishError, connection: Connection) -> None:
    """Give `error` the cause that the CI knows, if there are no credentials, or no URL."""
    with suppress(ConfigurationError):
        if not lacks_credentials(connection):
            if isinstance(error, MissingSettingError):
                error.cause = error.cause or console.ci.where_settings_are()
            return
        if why := console.ci.why_no_secrets():
            error.cause = why
            skip = "To let such runs succeed without publishing, use --on-missing-credentials skip."
            error.hint = " ".join(filter(None, [console.ci.how_to_pass_secrets(), skip]))
        elif where := console.ci.where_settings_are():
            error.cause = where


def is_to_be_skipped(choice: str, connection: Connection) -> bool:
    """Return whether `choice` is to skip, and the CI withholds its secrets from this run.

    If secrets are missing for another reason, that is an error: the job would always be green
    without publishing anything. Raises `ConfigurationError`.
    """
    if choice != "skip" or not lacks_credentials(connection):
        return False
    return bool(console.ci.why_no_secrets())


def _skip_publication(name: ImageName, output: str) -> None:
    """Report that nothing is published, and why."""
    reason = console.ci.why_no_secrets()
    console.warn(
        f"{name} was not published, because there are no LUSID credentials. {reason} This is "
        "allowed by --on-missing-credentials skip."
    )
    title = "{} was not published: there are no LUSID credentials"
    record_unpublished(name, title, [reason])
    if output == "json":
        document = {
            "name": str(name),
            "repository": name.repository,
            "tag": name.tag,
            "digest": None,
            "outcome": "not-published",
        }
        console.answer(json_text(document).rstrip("\n"))


def _refuse_contradictions(
    name: ImageName, scan: ScanChoice, policy: Policy, *, dry_run: bool, no_build: bool
) -> None:
    """Raise `ConfigurationError` for options that cannot be used together."""
    rules = [f"--{name}" for name in scan.given if name != "report"]
    of_scans = [f"--report {form}" for form, _ in scan.reports if FORMATS[form].needs_scan]
    needless = [*rules, *of_scans] if policy.scan is None else []
    contradictions = {
        f"{' and '.join(needless)} cannot be used with --wait-for visible": bool(needless),
        f"--force cannot be used with --if-exists {policy.if_exists}": (
            policy.force and policy.if_exists != "verify"
        ),
        "--latest cannot be used with --if-exists skip": (
            policy.latest and policy.if_exists == "skip"
        ),
        "--latest cannot be used with the tag latest": policy.latest and name.tag == "latest",
    }
    _refuse(contradictions)
    if no_build and not dry_run:
        raise _lacking("--no-build", "--dry-run")


def _refuse_job_contradictions(jobs: JobPolicy, policy: Policy) -> None:
    """Raise `ConfigurationError` for options about jobs that cannot be used together."""
    named, run = bool(jobs.jobs), jobs.run
    for option, needed, lacks in (
        ("--force-job", "--job SCOPE/CODE", jobs.force and not named),
        ("--run-job", "--job SCOPE/CODE", run and not named),
        ("--argument", "--run-job", bool(jobs.arguments) and not run),
        ("--run-timeout", "--run-job", jobs.run_timeout is not None and not run),
    ):
        if lacks:
            raise _lacking(option, needed)
    _refuse({"--job cannot be used with --wait-for visible": named and policy.scan is None})


def _lacking(option: str, needed: str) -> ConfigurationError:
    return ConfigurationError(
        f"{option} needs {needed.partition(' ')[0]}.",
        hint=f"Add {needed}, or remove {option}.",
    )


def _refuse(contradictions: Mapping[str, bool]) -> None:
    for words, applies in contradictions.items():
        if applies:
            raise ConfigurationError(f"{words}.", hint="Remove one of them.")
