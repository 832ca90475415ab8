"""What the GitHub Action adds: from its start to its first request to LUSID."""

import os
import statistics
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from docker import DockerClient

from benchmarks.measure import Number
from tests.integration.github_step import built_action
from tests.integration.parts import BUSYBOX, gateway_of

ROUNDS = 10


class _Lusid(ThreadingHTTPServer):
    """Takes note of when the first request comes, and refuses the credentials."""

    asked_at = 0.0


class _Refuse(BaseHTTPRequestHandler):
    server: _Lusid

    def do_GET(self) -> None:
        self.server.asked_at = self.server.asked_at or time.perf_counter()
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def action_overhead(engine: DockerClient) -> Number:
    """From `docker run` to the first request of the action that is built here."""
    with built_action(engine) as image:
        return first_request("action: start to first request", engine, image)


def first_request(name: str, engine: DockerClient, image: str) -> Number:
    """From `docker run` to the first request, beside a container that ends at once; medians."""
    requests, bare = [], []
    with _Lusid((gateway_of(engine), 0), _Refuse) as lusid:
        threading.Thread(target=lusid.serve_forever, daemon=True).start()
        environ = os.environ | {
            "GITHUB_ACTIONS": "true",
            "INPUT_SOURCE": BUSYBOX,
            "INPUT_NAME": "bench:1",
            "INPUT_SCHEDULER-URL": f"http://{lusid.server_name}:{lusid.server_port}/scheduler2",
            "INPUT_ALLOW-HTTP": "true",
            "INPUT_ACCESS-TOKEN": "bench-bench",
        }
        names = [name for name in environ if name.startswith(("GITHUB_", "INPUT_"))]
        words = ["docker", "run", "--rm", *(word for name in names for word in ("-e", name))]
        words += ["-v", "/var/run/docker.sock:/var/run/docker.sock"]
        for _ in range(ROUNDS):
            began = time.perf_counter()
            subprocess.run(
                ["docker", "run", "--rm", "--entrypoint", "true", image], env=environ, check=True
            )
            bare.append(time.perf_counter() - began)
            lusid.asked_at = 0.0
            began = time.perf_counter()
            subprocess.run([*words, image], env=environ, check=False, capture_output=True)
            assert lusid.asked_at, "the action asked LUSID nothing"
            requests.append(lusid.asked_at - began)
        lusid.shutdown()
    return Number(
        name,
        statistics.median(requests),
        "s",
        f"a container that ends at once {statistics.median(bare):.3f} s; medians of {ROUNDS}",
        1,
    )
