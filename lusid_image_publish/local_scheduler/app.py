"""The HTTP application: the operations of the Images and Jobs API, and the token endpoint."""

import ast
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute

from lusid_image_publish.engine import ENGINE_FAILURES, engine_message
from lusid_image_publish.local_scheduler.catalogue import Catalogue
from lusid_image_publish.local_scheduler.documents import (
    RULE,
    UNKNOWN_CODE,
    Problem,
    instructions_document,
    invalid,
    is_repository,
    missing,
    split_name,
)
from lusid_image_publish.local_scheduler.filters import IMAGE_FIELDS, REPOSITORY_FIELDS
from lusid_image_publish.local_scheduler.http_requests import Body, list_parameters
from lusid_image_publish.local_scheduler.job_routes import job_routes, metadata_routes, run_routes
from lusid_image_publish.local_scheduler.job_runs import JobRuns, NoRunner, Runner, in_thread
from lusid_image_publish.local_scheduler.job_store import JobStore
from lusid_image_publish.local_scheduler.list_queries import list_page
from lusid_image_publish.local_scheduler.oauth import TokenError, TokenIssuer
from lusid_image_publish.local_scheduler.registry_container import Registry
from lusid_image_publish.local_scheduler.scans import Scans

logger = logging.getLogger(__name__)

BASE_PATH: Final = "/scheduler2"
TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105  # a path
_PROBLEM_JSON: Final = "application/problem+json"
_EXPIRY_CHECK_SECONDS: Final = 0.5

Next = Callable[[Request], Awaitable[Response]]


class _Unauthorised(Exception):  # noqa: N818  # an answer rather than an error
    """There is no valid token."""


def create_app(
    registry: Registry,
    tokens: TokenIssuer,
    *,
    domain: str,
    instructions_lifetime: float,
    scans: Scans,
    store: JobStore | None = None,
    runner: Runner | None = None,
    spawn: Callable[[Callable[[], None]], None] = in_thread,
) -> FastAPI:
    """Return the application over `registry`; the lifetime is in seconds.

    `store` stores jobs and runs, by default next to the images; `runner` runs the images of jobs,
    by default each run fails. `spawn` starts the work of a run and returns at once.
    """
    catalogue = Catalogue(registry, domain, scans)
    store = store or JobStore(registry)
    runs = JobRuns(
        store,
        runner or NoRunner(),
        user=tokens.username,
        now=scans.now,
        spawn=spawn,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_withdraw_expired_passwords, registry)
            yield
            await anyio.to_thread.run_sync(runs.close)
            tasks.cancel_scope.cancel()

    app = FastAPI(title="Local LUSID Scheduler", lifespan=lifespan, openapi_url=None)
    app.middleware("http")(_add_meta_headers)
    app.exception_handler(Problem)(_answer_problem)
    app.exception_handler(_Unauthorised)(_answer_unauthorised)
    app.exception_handler(404)(_answer_no_route)
    sign_in = _token_routes(tokens)
    images = _image_routes(registry, catalogue, domain=domain, lifetime=instructions_lifetime)
    jobs = [job_routes(store, now=scans.now), run_routes(store, runs, catalogue)]
    offered = [images, *jobs, metadata_routes([images, *jobs])]
    app.exception_handler(405)(
        _answer_other_method([("", sign_in), *((BASE_PATH, r) for r in offered)])
    )
    app.include_router(sign_in)
    for routes in offered:
        app.include_router(
            routes, prefix=BASE_PATH, dependencies=[Depends(_require_bearer(tokens))]
        )
    return app


def _image_routes(
    registry: Registry, catalogue: Catalogue, *, domain: str, lifetime: float
) -> APIRouter:
    # Plain functions: FastAPI runs them in threads, since requests to the registry block.
    routes = APIRouter()

    @routes.post("/api/images")
    def upload_image(body: Body) -> Response:
        repository, tag = _parse_upload_request(body)
        if catalogue.exists(repository, tag):
            raise invalid("imageName", f"The image {repository}:{tag} already exists.")
        document = instructions_document(
            repository,
            tag,
            domain=domain,
            host=registry.host,
            credential=registry.issue(lifetime),
        )
        return JSONResponse(document)

    @routes.get("/api/images/repository")
    def list_repositories(request: Request) -> Response:
        page = list_page(
            sorted(catalogue.repositories().items()),
            list_parameters(request),
            REPOSITORY_FIELDS,
            str(request.url),
            document=lambda found: catalogue.repository_document(*found),
        )
        return JSONResponse(page)

    @routes.get("/api/images/repository/{name}")
    def list_images(name: str, request: Request) -> Response:
        images = catalogue.images(name) if is_repository(name) else []
        if not images:
            raise missing(f"The repository {name}")
        page = list_page(
            sorted(images, key=lambda image: image.pushed, reverse=True),
            list_parameters(request),
            IMAGE_FIELDS,
            str(request.url),
            document=catalogue.summary_document,
        )
        return JSONResponse(page)

    @routes.get("/api/images/{name}")
    def get_image(name: str) -> Response:
        return JSONResponse(catalogue.image_document(catalogue.get(*_parse_name(name))))

    @routes.delete("/api/images/{name}")
    def delete_image(name: str) -> Response:
        image = catalogue.find(*_parse_name(name))
        if image is None:
            return JSONResponse(f"The image {name} does not exist.", status_code=404)
        catalogue.delete(image)
        return JSONResponse(f"The image {name} was deleted.")

    @routes.get("/api/images/{name}/contents")
    def download_image(name: str) -> Response:
        image = catalogue.get(*_parse_name(name))
        archive = catalogue.archive(image, name)
        return StreamingResponse(
            archive.stream(lambda digest: catalogue.stream_blob(image.repository, digest)),
            media_type="application/octet-stream",
            headers={"Content-Length": str(archive.length)},
        )

    return routes


def _token_routes(tokens: TokenIssuer) -> APIRouter:
    routes = APIRouter()

    @routes.post(TOKEN_PATH)
    def token(body: Body, request: Request) -> Response:
        try:
            return JSONResponse(tokens.answer(body, request.headers.get("authorization", "")))
        except TokenError as error:
            return JSONResponse(error.body, status_code=error.status)

    return routes


def _require_bearer(tokens: TokenIssuer) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not tokens.accepts(token.strip()):
            raise _Unauthorised

    return check


def _parse_name(name: str) -> tuple[str, str]:
    parts = split_name(name)
    if parts is None:
        raise invalid("name", RULE)
    return parts


def _parse_upload_request(body: bytes) -> tuple[str, str]:
    """Return repository and tag of an upload request; the service accepts single quotes too."""
    text = body.decode("utf-8-sig", errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        try:
            document = ast.literal_eval(text.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise invalid("$", "The body is not a JSON document.") from None
    name = document.get("imageName") if isinstance(document, dict) else None
    parts = split_name(name) if isinstance(name, str) else None
    if parts is None:
        raise invalid("imageName", RULE)
    return parts


async def _withdraw_expired_passwords(registry: Registry) -> None:
    while True:
        await anyio.sleep(_EXPIRY_CHECK_SECONDS)
        try:
            await anyio.to_thread.run_sync(registry.withdraw_expired)
        except ENGINE_FAILURES as error:
            logger.warning("expired passwords are still valid: %s", engine_message(error))


async def _add_meta_headers(request: Request, call_next: Next) -> Response:
    request.state.request_id = uuid.uuid4().hex
    began = time.perf_counter()
    try:
        response = await call_next(request)
    except Exception as error:  # every error must be answered
        logger.error("%s %s: %s", request.method, request.url.path, error)  # noqa: TRY400
        logger.debug("traceback", exc_info=True)
        response = await _answer_problem(
            request,
            Problem(500, "UnknownError", UNKNOWN_CODE, "An unexpected error was encountered."),
        )
    response.headers["lusid-meta-requestId"] = request.state.request_id
    response.headers["lusid-meta-success"] = str(response.status_code < 400)  # noqa: PLR2004
    response.headers["lusid-meta-duration"] = str(round((time.perf_counter() - began) * 1000))
    return response


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101  # FastAPI's handlers are typed for any error
    return JSONResponse(
        problem.body(request.state.request_id),
        status_code=problem.status,
        media_type=_PROBLEM_JSON,
        headers=problem.headers,
    )


async def _answer_unauthorised(_request: Request, _error: Exception) -> Response:
    # A gateway answers without a body.
    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _answer_other_method(
    routers: Iterable[tuple[str, APIRouter]],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler for a method that a path does not support; `routers` have prefixes."""

    async def answer(request: Request, _error: Exception) -> Response:
        allowed: set[str] = set()
        for prefix, router in routers:
            path = request.url.path.removeprefix(prefix)
            for route in router.routes:
                if isinstance(route, APIRoute) and route.path_regex.match(path):
                    allowed |= route.methods or set()
        return Response(status_code=405, headers={"Allow": ", ".join(sorted(allowed))})

    return answer


async def _answer_no_route(_request: Request, error: Exception) -> Response:
    return Response(status_code=getattr(error, "status_code", 404))
