"""The operations of the Jobs API, and the list of all operations."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute

from lusid_image_publish.local_scheduler.catalogue import Catalogue
from lusid_image_publish.local_scheduler.documents import (
    SCAN_FAILURE_CODE,
    UNABLE_TO_PROCESS_CODE,
    Problem,
    invalid,
    split_name,
    wire_date,
)
from lusid_image_publish.local_scheduler.filters import HISTORY_FIELDS, JOB_FIELDS
from lusid_image_publish.local_scheduler.http_requests import Body, list_parameters
from lusid_image_publish.local_scheduler.job_documents import (
    image_of,
    job_definition,
    missing_job,
    read_job_request,
    read_object,
    read_start_request,
    require_resource_id,
    require_run_id,
)
from lusid_image_publish.local_scheduler.job_runs import JobRuns, missing_run
from lusid_image_publish.local_scheduler.job_store import Document, JobStore
from lusid_image_publish.local_scheduler.list_queries import (
    MAX_HISTORY_FILTER_CHARACTERS,
    list_page,
)
from lusid_image_publish.local_scheduler.storage import StoredImage

_RUN_ONLY: Final = {"consoleOutputUrl"}
"""Members that `get_run_history` has, but `get_history` does not."""


def job_routes(store: JobStore, *, now: Callable[[], datetime]) -> APIRouter:
    """Return the routes of the jobs in `store`; `now` returns UTC."""
    routes = APIRouter()

    @routes.get("/api/jobs")
    def list_jobs(request: Request) -> Response:
        return JSONResponse(
            list_page(
                store.jobs(),
                list_parameters(request),
                JOB_FIELDS,
                str(request.url),
                document=job_definition,
            )
        )

    @routes.post("/api/jobs")
    def create_job(body: Body) -> Response:
        job = read_job_request(read_object(body), is_new=True)
        identifier = job["jobId"]
        job = {"dateCreated": wire_date(now())} | job
        with store.changes:
            if store.job(**identifier):
                name = f"{identifier['scope']}/{identifier['code']}"
                raise invalid("jobId", f"The job {name} already exists.")
            store.keep_job(job)
        return JSONResponse(job_definition(job))

    @routes.put("/api/jobs/{scope}/{code}")
    def update_job(scope: str, code: str, body: Body) -> Response:
        with store.changes:
            former = _job(store, scope, code)
            job = read_job_request(read_object(body), is_new=False)
            job = {"jobId": former["jobId"], "dateCreated": former["dateCreated"]} | job
            store.keep_job(job)
        return JSONResponse(job_definition(job))

    @routes.delete("/api/jobs/{scope}/{code}")
    def delete_job(scope: str, code: str, request: Request) -> Response:
        with store.changes:
            _job(store, scope, code)
            store.drop_job(scope, code)
        return JSONResponse(_no_schedules(request))

    @routes.get("/api/jobs/{scope}/{code}/schedules")
    def get_schedules_for_a_job(scope: str, code: str, request: Request) -> Response:
        _job(store, scope, code)
        return JSONResponse(_no_schedules(request))

    return routes


def run_routes(store: JobStore, runs: JobRuns, catalogue: Catalogue) -> APIRouter:
    """Return the routes of the runs of the jobs in `store`, whose images are in `catalogue`."""
    routes = APIRouter()

    @routes.post("/api/jobs/{scope}/{code}/$run")
    def run_job(scope: str, code: str, body: Body) -> Response:
        job = _job(store, scope, code)
        start = read_start_request(read_object(body))
        run = runs.start(job, start, _runnable(catalogue, job))
        href = f"api/jobs/history/{run['runId']}"
        answer = {"jobId": job["jobId"], "runId": run["runId"], "status": href, "result": href}
        return JSONResponse(answer)

    @routes.get("/api/jobs/history")
    def get_history(request: Request) -> Response:
        return JSONResponse(
            list_page(
                runs.all(),
                replace(list_parameters(request), start=None),  # obsolete in this operation
                HISTORY_FIELDS,
                str(request.url),
                document=_history,
                max_filter_characters=MAX_HISTORY_FILTER_CHARACTERS,
            )
        )

    @routes.get("/api/jobs/history/{run_id}")
    def get_run_history(run_id: str) -> Response:
        return JSONResponse(_run(runs, run_id))

    @routes.get("/api/jobs/history/{run_id}/console")
    def get_job_console_output(run_id: str, request: Request) -> Response:
        text = runs.console(_run(runs, run_id)["runId"])
        wants_json = "json" in request.headers.get("accept", "")
        return JSONResponse(text) if wants_json else PlainTextResponse(text)

    return routes


def metadata_routes(offered: Iterable[APIRouter]) -> APIRouter:
    """Return the route that lists the operations of the routers `offered`, and its own."""
    routes = APIRouter()

    @routes.get("/api/metadata/endpoints")
    def list_api_endpoints(request: Request) -> Response:
        endpoints = [
            _endpoint(route)
            for router in (*offered, routes)
            for route in router.routes
            if isinstance(route, APIRoute)
        ]
        answer = {"application": "Scheduler", "endpoints": endpoints, "href": str(request.url)}
        return JSONResponse(answer | {"links": []})

    return routes


def _endpoint(route: APIRoute) -> Document:
    name = "".join(word.title() for word in route.name.split("_"))
    return {
        "operation": name,
        "httpMethod": min(route.methods or ()),
        "path": route.path,
        "status": "Stable",
        "summary": f"[STABLE] {name}",
        "description": None,
    }


def _job(store: JobStore, scope: str, code: str) -> Document:
    require_resource_id(scope=scope, code=code)
    found = store.job(scope, code)
    if found is None:
        raise missing_job(f"{scope}/{code}")
    return found


def _run(runs: JobRuns, run_id: str) -> Document:
    require_run_id(run_id)
    found = runs.find(run_id.lower())
    if found is None:
        raise missing_run(run_id)
    return found


def _history(run: Document) -> Document:
    return {name: value for name, value in run.items() if name not in _RUN_ONLY}


def _no_schedules(request: Request) -> Document:
    return {"values": [], "href": str(request.url), "links": []}


def _runnable(catalogue: Catalogue, job: Document) -> StoredImage:
    """Return the image of a job. Raises the 400 if it does not exist or is not scanned."""
    name = image_of(job)
    parts = split_name(name) if name else None
    image = catalogue.find(*parts) if parts else None
    if image is None:
        raise Problem(
            400,
            "ImageNotFound",
            UNABLE_TO_PROCESS_CODE,
            f"The image {name} does not exist." if name else "The job has no image yet.",
        )
    if not catalogue.is_scanned(image):
        raise Problem(
            400,
            "ImageScanFailure",
            SCAN_FAILURE_CODE,
            f"The scan of the image {name} has not finished, or has failed.",
        )
    return image
