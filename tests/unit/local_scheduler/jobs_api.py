"""The Jobs API of the local Scheduler over ASGI, with a runner that runs nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx

from lusid_image_publish.local_scheduler.app import create_app
from lusid_image_publish.local_scheduler.job_runs import RunEnd, RunOrder
from lusid_image_publish.local_scheduler.oauth import TokenIssuer
from lusid_image_publish.local_scheduler.scans import Scans
from tests.memory_registry import MemoryRegistry

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ARGUMENT = {"dataType": "String", "description": "d", "order": 1, "passedAs": "CommandLine"}
UPDATE: dict[str, Any] = {
    "name": "My job",
    "description": "What it does",
    "imageName": "job",
    "imageTag": "1.0",
    "argumentDefinitions": {},
}
JOB: dict[str, Any] = UPDATE | {"jobId": {"scope": "me", "code": "my-job"}}


class Runner:
    """Ends each run at once, with a given end."""

    def __init__(self) -> None:
        self.end: RunEnd | Exception = RunEnd("Succeeded", "", b"Hello\n")
        self.orders: list[RunOrder] = []

    def run(self, order: RunOrder, began: Callable[[], None]) -> RunEnd:
        self.orders.append(order)
        began()
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    def stop(self) -> None:
        pass


class Api:
    """The application over a registry in memory, asked over ASGI."""

    def __init__(self, registry: MemoryRegistry, *, scan_delay: float = 0) -> None:
        self.registry = registry
        self.runner = Runner()
        self._tokens = TokenIssuer()
        self._app = create_app(
            registry,
            self._tokens,
            domain="foo",
            instructions_lifetime=60,
            scans=Scans(delay=scan_delay, now=lambda: NOW),
            runner=self.runner,
            spawn=lambda work: work(),
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self._tokens.access_token.reveal()}"}
        options["headers"] = bearer | options.get("headers", {})

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, f"/scheduler2/api{path}", **options)

        return anyio.run(send)

    def jobs(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return self.ask(method, f"/jobs{path}", **options)

    def started(self, **start: Any) -> Any:
        """Return the history of a run that was started."""
        answer = self.jobs("POST", "/me/my-job/$run", json=start)
        assert answer.status_code == 200, answer.text
        return self.jobs("GET", f"/history/{answer.json()['runId']}").json()


def with_job(api: Api, **members: Any) -> Any:
    answer = api.jobs("POST", json=JOB | members)
    assert answer.status_code == 200, answer.text
    return answer.json()
