"""A Jobs API in memory that keeps the raw text of each job, as a client sends it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from lusid_image_publish.jobs.lusid_job import LusidJob
from lusid_image_publish.names import JobId
from lusid_image_publish.progress import Event, TextEvent
from lusid_image_publish.publishing.policy import Limits
from lusid_image_publish.scheduler.jobs_client import JobsClient
from lusid_image_publish.scheduler.raw_json import members_of

JOB: Final = JobId("me", "my-job")
URL: Final = "https://foo.lusid.com/scheduler2"
REQUIRED: Final = {
    "name": '"My job"',
    "description": '"What it does"',
    "argumentDefinitions": "{}",
}
Answer = httpx.Response | Exception | None


@dataclass
class Service:
    """The API; `jobs` are the members of each that it lists, as JSON texts.

    `instead` may answer in its place. `runs` are the answers of `get_run_history`, the last again
    and again; `known` are the ids that there are, None for any. `asked` are the requests, and
    `bodies` what was sent with them.
    """

    jobs: list[dict[str, str]] = field(default_factory=list)
    instead: Callable[[httpx.Request], Answer] = lambda _: None
    after: Callable[[httpx.Request], object] = lambda _: None
    runs: list[dict[str, Any]] = field(default_factory=list)
    known: set[str] | None = None
    console: str = ""
    asked: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    slept: float = 0.0

    def add(self, image: str = "old:1", **members: str) -> dict[str, str]:
        """List one more job; `members` are JSON texts."""
        job = {"jobId": '{"scope":"me","code":"my-job"}', **REQUIRED, **members}
        if image:
            job["dockerImage"] = json.dumps(image)
        self.jobs.append(job)
        return job

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        path = request.url.path.removeprefix("/scheduler2/api/jobs")
        self.asked.append(f"{request.method} {path}")
        self.bodies.append(request.content.decode())
        given = self.instead(request)
        if isinstance(given, Exception):
            raise given
        answered = given or self._answer(request.method, path, request)
        self.after(request)
        return answered

    def _answer(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        if path.endswith("/console"):
            return httpx.Response(200, json=self.console)
        if self.known is not None and "/history/" in path and path[9:] not in self.known:
            return httpx.Response(404, json={"code": -1, "title": "No such run", "status": 404})
        if path.startswith("/history/"):
            run = self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]
            return httpx.Response(200, json={"runId": path.rpartition("/")[2]} | run)
        if path.endswith("/$run"):
            run_id = json.loads(request.content).get("runId", "chosen-here")
            return httpx.Response(200, json={"runId": run_id})
        if method == "PUT":
            self._update(request.content.decode())
        text = '{"values":[' + ",".join(map(object_text, self.jobs)) + "]}"
        return httpx.Response(200, text=text if method == "GET" else object_text(self.jobs[0]))

    def _update(self, text: str) -> None:
        """Replace the job, as the real one does: what is not sent is gone."""
        sent = members_of(text)
        image = f"{json.loads(sent.pop('imageName'))}:{json.loads(sent.pop('imageTag'))}"
        kept = {name: value for name, value in self.jobs[0].items() if name in _KEPT}
        self.jobs[0] = kept | sent | {"dockerImage": json.dumps(image)}

    def puts(self) -> list[str]:
        """Return the bodies of the updates."""
        return [
            body
            for asked, body in zip(self.asked, self.bodies, strict=True)
            if asked.startswith("PUT")
        ]

    def texts(self, kind: type[TextEvent] = TextEvent) -> list[str]:
        """Return the texts of the events of a kind."""
        return [event.text for event in self.events if isinstance(event, kind)]

    @contextmanager
    def target(self, **options: Any) -> Iterator[LusidJob]:
        """Yield the job me/my-job as clients see it; nothing waits."""

        def sleep(seconds: float) -> None:
            self.slept += seconds

        http = httpx.Client(base_url=URL, transport=httpx.MockTransport(self.answer))
        with http, JobsClient.from_httpx(http) as jobs:
            yield LusidJob(
                job=JOB,
                jobs=jobs,
                listener=self.events.append,
                limits=Limits(poll_interval=1),
                clock=lambda: self.slept,
                sleep=sleep,
                **options,
            )


_KEPT: Final = {"jobId", "dateCreated"}


def object_text(members: dict[str, str]) -> str:
    """Return an object of texts."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def is_to(request: httpx.Request, method: str, pattern: str) -> bool:
    """Return whether a request is of this kind."""
    return request.method == method and bool(re.search(pattern, request.url.path))
