"""The local Scheduler: start and stop a registry container and an HTTP server."""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import uvicorn

from lusid_image_publish.engine import connect
from lusid_image_publish.errors import ConfigurationError, EngineError
from lusid_image_publish.local_scheduler.app import BASE_PATH, TOKEN_PATH, create_app
from lusid_image_publish.local_scheduler.catalogue import Catalogue
from lusid_image_publish.local_scheduler.documents import is_domain, wire_date
from lusid_image_publish.local_scheduler.findings import Findings
from lusid_image_publish.local_scheduler.job_container import ContainerRunner
from lusid_image_publish.local_scheduler.job_documents import new_job
from lusid_image_publish.local_scheduler.job_store import Document, JobStore
from lusid_image_publish.local_scheduler.oauth import TokenIssuer
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.scans import Scans
from lusid_image_publish.redact import Secret

logger = logging.getLogger(__name__)

_START_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class LocalSchedulerSettings:
    """The settings of a local Scheduler.

    For port 0 the system chooses a free one. `domain` is the LUSID domain, the first part of each
    image's path. `registry_image` must be a Docker registry 2. `volume` is the Docker volume that
    stores the images; with an empty name, they are in a volume that is removed at the end.
    `instructions_lifetime` (of a credential) and `scan_delay` (from push to findings) are in
    seconds. `scan_status` is the status of all scans from the push on, None for the usual ones;
    `scan_findings` is a JSON file or its content (see `local_scheduler.findings`), None for no
    findings. `jobs` are created without an image if they do not exist: (scope, code) with the names
    of their arguments.
    """

    host: str = "127.0.0.1"
    port: int = 0
    registry_port: int = 0
    domain: str = "local"
    registry_image: str = "registry:2"
    volume: str = "lusid-scheduler-local"
    instructions_lifetime: float = 12 * 3600
    scan_delay: float = 2.0
    scan_status: str | None = None
    scan_findings: Path | Mapping[str, Any] | None = None
    jobs: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)


class LocalScheduler:
    """A Scheduler on this machine; a context manager that stops it and removes its container.

    The images stay in a named volume. Entering raises `EngineError` if no engine answers or the
    registry does not start, and `ConfigurationError` for a port in use, an invalid domain or
    invalid settings of scans.
    """

    def __init__(self, settings: LocalSchedulerSettings | None = None) -> None:
        self._settings = settings or LocalSchedulerSettings()
        self._tokens = TokenIssuer()
        self._stack = ExitStack()
        self._root = ""
        self.is_on_loopback = (
            True  # otherwise other machines can reach it and read passwords and tokens
        )
        self.registry_host = ""
        self.made_jobs: list[str] = []

    def __enter__(self) -> Self:
        if not is_domain(self._settings.domain):
            raise ConfigurationError(
                f"{self._settings.domain!r} is not a valid LUSID domain.",
                hint="Use lower-case letters, digits and single hyphens.",
            )
        findings = self._settings.scan_findings
        scans = Scans(
            delay=self._settings.scan_delay,
            status=self._settings.scan_status,
            findings=Findings.read(findings) if findings is not None else Findings(),
        )
        with ExitStack() as stack:
            listening = stack.enter_context(self._listen())
            engine = connect()
            stack.callback(engine.close)
            # Its threads would read the variables of proxies, which a test may change meanwhile.
            engine.api.trust_env = False
            registry = stack.enter_context(
                Registry(
                    engine,
                    image=self._settings.registry_image,
                    volume=self._settings.volume,
                    port=self._settings.registry_port,
                    domain=self._settings.domain,
                )
            )
            self.registry_host = registry.host
            store = JobStore(registry, self._premade())
            self.made_jobs = store.make_premade() if self._settings.jobs else []
            runner = ContainerRunner(engine, Catalogue(registry, self._settings.domain, scans))
            runner.remove_leftovers()
            self._serve(registry, scans, store, runner, listening, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The Scheduler's URL, `http://HOST:PORT/scheduler2`."""
        return f"{self._root}{BASE_PATH}"

    @property
    def access_token(self) -> Secret:
        """A token that is valid while the Scheduler runs."""
        return self._tokens.access_token

    def environment(self) -> dict[str, str]:
        """Return the variables for this package and FINBOURNE's tools, secrets included."""
        return {
            "FBN_SCHEDULER_URL": self.url,
            "FBN_SCHEDULER_API_URL": self.url,  # lusid-scheduler-sdk-preview
            "FBN_LUSID_SCHEDULER_API_URL": self.url,  # an older lusid-scheduler-sdk
            "FBN_BASE_URL": self._root,  # finbourne-sdk
            "FBN_BASE_API_URL": self._root,  # the workflow of FINBOURNE's example job
            "LUSID_ENV": self._root,  # fbnconfig
            "FBN_LUSID_API_URL": f"{self._root}/api",  # docker-setup.sh
            "FBN_LUSID_URL": f"{self._root}/api",  # so that none of another domain stays
            "FBN_TOKEN_URL": f"{self._root}{TOKEN_PATH}",
            "FBN_USERNAME": self._tokens.username,
            "FBN_PASSWORD": self._tokens.password.reveal(),
            "FBN_CLIENT_ID": self._tokens.client_id,
            "FBN_CLIENT_SECRET": self._tokens.client_secret.reveal(),
            "FBN_ACCESS_TOKEN": self._tokens.access_token.reveal(),
        }

    def _listen(self) -> socket.socket:
        """Listen on the port before anything starts."""
        host, port = self._settings.host, self._settings.port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            listening = socket.create_server((host, port), family=family)
        except (OSError, UnicodeError) as error:  # the latter for a name that is invalid in DNS
            raise ConfigurationError(
                f"The Scheduler cannot listen on {host} port {port}.",
                cause=str(error),
                hint="Choose another --host or --port; --port 0 uses a free port.",
            ) from error
        # asyncio sets this for its own sockets only; without it each answer waits 40 ms for an ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound = ipaddress.ip_address(listening.getsockname()[0].partition("%")[0])
        self.is_on_loopback = bound.is_loopback
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        self._root = f"http://{shown}:{listening.getsockname()[1]}"
        return listening

    def _premade(self) -> list[Document]:
        created = wire_date(datetime.now(UTC))
        return [
            new_job(scope, code, arguments, created)
            for (scope, code), arguments in self._settings.jobs.items()
        ]

    def _serve(
        self,
        registry: Registry,
        scans: Scans,
        store: JobStore,
        runner: ContainerRunner,
        listening: socket.socket,
        stack: ExitStack,
    ) -> None:
        """Run the HTTP server in a thread until `stack` is closed."""
        app = create_app(
            registry,
            self._tokens,
            domain=self._settings.domain,
            instructions_lifetime=self._settings.instructions_lifetime,
            scans=scans,
            store=store,
            runner=runner,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # the application logs its own errors
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="local-scheduler", daemon=True
        )
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join(_START_SECONDS)

        stack.callback(stop)
        end = time.monotonic() + _START_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.005)
        if not server.started:
            raise EngineError(f"The local Scheduler's HTTP server did not start at {self._root}.")
        logger.debug("the local Scheduler answers at %s", self.url)
