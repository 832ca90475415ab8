"""An Images API under uvicorn whose answers a test chooses, over the test's own registry."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

Answer = Callable[[], Response]


@dataclass
class ScriptedService:
    """Answers with the documented shapes; `uploads`, `gets` and `lists` replace what is to be else.

    `digest_of` looks a tag up in the registry. `requests` keeps what was asked.
    """

    host: str
    username: str
    password: str
    digest_of: Callable[[str, str], str]
    uploads: Answer | None = None
    gets: Answer | None = None
    lists: Answer | None = None
    url: str = ""
    requests: list[str] = field(default_factory=list)
    changes: dict[str, str | None] = field(default_factory=dict)

    def instructions(self, name: str) -> dict[str, Any]:
        """Return the service's commands for `name`, with this test's changes."""
        local, remote = f"foo/{name}", f"{self.host}/foo/{name}"
        return {
            "dockerLoginCommand": f"docker login -u {self.username} -p {self.password} {self.host}",
            "buildVersionedDockerImageCommand": f"docker build -t {local} . --platform=linux/amd64",
            "tagVersionedDockerImageCommand": f"docker tag {local} {remote}",
            "pushVersionedDockerImageCommand": f"docker push {remote}",
            "expiryTime": "2999-01-30T17:15:58.6730000+00:00",
        } | self.changes

    def app(self) -> FastAPI:
        """Return the application."""
        app = FastAPI()

        @app.post("/scheduler2/api/images")
        async def upload_image(request: Request) -> Response:
            name = (await request.json())["imageName"]
            self.requests.append(f"upload_image {name}")
            return self.uploads() if self.uploads else JSONResponse(self.instructions(name))

        @app.get("/scheduler2/api/images/repository/{name}")
        def list_images(name: str) -> Response:
            self.requests.append(f"list_images {name}")
            if self.lists:
                return self.lists()
            digest = self.digest_of(f"foo/{name}", "1.0")
            return JSONResponse({"values": [{"digest": digest, "tags": [{"name": "1.0"}]}]})

        @app.get("/scheduler2/api/images/{name}")
        def get_image(name: str) -> Response:
            self.requests.append(f"get_image {name}")
            if self.gets:
                return self.gets()
            repository, _, tag = name.partition(":")
            digest = self.digest_of(f"foo/{repository}", tag)
            if not digest:
                return problem(404, detail="No such image.")
            scan = {"status": "Success", "summary": {"total": 0}, "vulnerabilities": []}
            return JSONResponse(
                {"name": repository, "digest": digest, "size": 5, "scanReport": scan}
                | {"tags": [{"name": tag}]}
            )

        return app


def problem(status: int, *, code: int = -1, **members: object) -> Response:
    """Return an error as the service writes it."""
    return JSONResponse(
        {"name": "Problem", "code": code, "title": "Refused", "status": status, **members},
        status_code=status,
        headers={"lusid-meta-requestId": "0HN:42"},
        media_type="application/problem+json",
    )


@contextmanager
def serve(app: Any, **options: Any) -> Iterator[str]:
    """Run `app` under uvicorn on a free port of 127.0.0.1 and yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "uvicorn ended at once"
            assert time.monotonic() < deadline, "uvicorn does not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
