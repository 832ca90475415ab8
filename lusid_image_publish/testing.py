"""A local Scheduler for the tests of other projects, which the pytest fixtures start.

`running_scheduler` works without pytest, too. It needs the extra `local` and a Docker engine on
this machine.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypedDict, TypeGuard

from lusid_image_publish.arguments import argument_error, require_number
from lusid_image_publish.config import Settings
from lusid_image_publish.errors import ConfigurationError, LusidPublishError
from lusid_image_publish.local_scheduler.extra import IMAGE_VARIABLE, import_server
from lusid_image_publish.names import JobId

_TEXTS: Final = {
    "scan_status": "a status such as FAILED",
    "domain": "a name",
    "registry_image": "a name",
}
"""The options that are texts, and what each must be."""


class SchedulerOptions(TypedDict, total=False):
    """The options of a local Scheduler; all are optional.

    `scan_findings` maps image names (`my-job`, `my-job:1.0.0`) to reports, or is the path of a JSON
    file with such a map (default: no findings). `scan_delay` is the time from a push to the
    findings in seconds (0). `scan_status` is the status of all scans, as in `FAILED` (`COMPLETE`).
    `jobs` are the existing jobs, without an image: `SCOPE/CODE` with the names of their arguments,
    or a list of `SCOPE/CODE` for jobs without arguments (none). `domain` is
    the first part of each image's path in the registry (`local`). `registry_image` is a Docker
    registry 2 (`LUSID_LOCAL_REGISTRY_IMAGE`, else `registry:2`). `instructions_lifetime` is the
    lifetime of the credential in upload instructions in seconds (12 hours).
    """

    scan_findings: str | Path | Mapping[str, Any]
    scan_delay: float
    scan_status: str
    jobs: Mapping[str, Sequence[str]] | Sequence[str]
    domain: str
    registry_image: str
    instructions_lifetime: float


@dataclass(frozen=True, kw_only=True)
class LusidScheduler:
    """A LUSID Scheduler that runs on this machine.

    `url` is the Scheduler's (`http://127.0.0.1:PORT/scheduler2`), and `access_token` is valid until
    it stops. `settings` has both, for the clients and `publish`. `environ` has the `FBN_*`
    variables for commands and for other SDKs, among them user name and password.
    """

    url: str
    access_token: str = field(repr=False)
    settings: Settings = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)


@contextmanager
def running_scheduler(options: SchedulerOptions | None = None) -> Iterator[LusidScheduler]:
    """Run a Scheduler during the block, on free ports; remove its container and volume afterwards.

    Raises `ConfigurationError` for unusable options or without the extra `local`, and `EngineError`
    if no Docker engine answers or the registry does not start.
    """
    server = import_server()
    settings = server.LocalSchedulerSettings(**_server_settings(options or {}), volume="")
    with server.LocalScheduler(settings) as scheduler:
        token = scheduler.access_token
        yield LusidScheduler(
            url=scheduler.url,
            access_token=token.reveal(),
            settings=Settings(scheduler_url=scheduler.url, access_token=token),
            environ=scheduler.environment(),
        )


def explain(error: LusidPublishError) -> str:
    """Return what happened, the likely cause and the next step, a line each."""
    reasons = [f"{label}: {text}" for label, text in error.diagnostics()]
    return "\n".join(["The local Scheduler did not start.", *reasons])


def _server_settings(options: SchedulerOptions) -> dict[str, Any]:
    """Return the arguments of `LocalSchedulerSettings` for the options."""
    if unknown := options.keys() - SchedulerOptions.__annotations__.keys():
        raise ConfigurationError(
            f"The local Scheduler has no option {', '.join(sorted(unknown))}.",
            hint=f"Its options are {', '.join(SchedulerOptions.__annotations__)}.",
        )
    values: dict[str, Any] = {"scan_delay": 0.0, **options}
    if image := os.environ.get(IMAGE_VARIABLE):
        values.setdefault("registry_image", image)
    for name in {"scan_delay", "instructions_lifetime"} & values.keys():
        require_number(name, values[name])
    for name, allowed in _TEXTS.items():
        if name in values and not (values[name] and isinstance(values[name], str)):
            raise argument_error(name, values[name], allowed)
    if isinstance(findings := values.get("scan_findings"), str):
        values["scan_findings"] = Path(findings)
    elif not isinstance(findings, Path | Mapping | None):
        raise argument_error("scan_findings", findings, "a dict or the path of a JSON file")
    return values | {"jobs": dict(_jobs(values.get("jobs", ())))}


def _jobs(given: object) -> Iterator[tuple[tuple[str, str], Sequence[str]]]:
    """Yield scope and code, and the names of the arguments, of each job."""
    names = list(given) if isinstance(given, Mapping) else given
    if not _are_names(names):
        raise argument_error("jobs", given, "a dict or a list of SCOPE/CODE")
    for name in names:
        arguments = given[name] if isinstance(given, Mapping) else ()
        if not _are_names(arguments):
            raise argument_error(f"jobs.{name}", arguments, "a list of names of arguments")
        job = JobId.parse(name)
        yield (job.scope, job.code), arguments


def _are_names(given: object) -> TypeGuard[Sequence[str]]:
    return (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and all(isinstance(name, str) for name in given)
    )
