"""The operations of the Images API as values: requests and answers, without I/O.

The Jobs API uses `Operation` and `Call`, too (`job_operations`).

Each operation has a function with the service's own name that returns the `Call` to make. It
refuses parameters that break a rule of the OpenAPI document, before anything is sent.
"""

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from lusid_image_publish.errors import InvalidNameError
from lusid_image_publish.names import ImageName
from lusid_image_publish.scheduler.listing import ListQuery

if TYPE_CHECKING:
    # Only for annotations: importing the models takes a tenth of a second because of pydantic.
    from lusid_image_publish.scheduler.models import (
        Image,
        ResourceListOfImageSummary,
        ResourceListOfRepository,
        UploadImageInstructions,
    )

Answer = TypeVar("Answer")

_REPOSITORY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")


@dataclass(frozen=True)
class Operation(Generic[Answer]):
    """One operation.

    `name` is the API's own, `path` is relative to the Scheduler's URL and may have a `{name}`, that
    of a `subject`; `api` is the API that it belongs to, as in "the Images API". `answer` is the
    name of the model of a 200 in `models` (`str` for a bare JSON string, `text` for a text in
    either form, empty for bytes); `read` parses the JSON into another model. `retry_safe` says
    whether the request may be sent again if the outcome of the first is unknown; `withdrawn`, that
    FINBOURNE removed the operation from the published API (version 0.0.1069), so that not every
    deployment has it. `label` is the name in messages, by default `name`. `done` are the statuses
    of a success.
    """

    name: str
    method: str
    path: str
    answer: str = ""
    retry_safe: bool = True
    withdrawn: bool = False
    label: str = ""
    done: tuple[int, ...] = (200,)
    read: Callable[[bytes | bytearray], Answer] | None = None
    subject: str = "image"
    api: str = "Images"

    def __str__(self) -> str:
        return self.label or self.name


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One use of an operation: `name` is that of its subject, empty for a list.

    A job's name is SCOPE/CODE. `body` is JSON, empty for none. `finish` is applied to the answer.
    """

    operation: Operation[Answer]
    name: str = ""
    params: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: str = field(default="", repr=False)
    finish: Callable[[Answer], Answer] = lambda answer: answer

    @property
    def path(self) -> str:
        """The path; the parts of the name are percent-encoded, as the SDKs do."""
        return self.operation.path.format(name=urllib.parse.quote(self.name, safe="/"))

    @property
    def url(self) -> str:
        """The path with its query; a blank is %20, as the SDKs send it, and an item a parameter."""
        query = urllib.parse.urlencode(
            self.params, doseq=True, quote_via=urllib.parse.quote, safe=""
        )
        return f"{self.path}?{query}" if query else self.path


UPLOAD_IMAGE: Final["Operation[UploadImageInstructions]"] = Operation(
    "upload_image",
    "POST",
    "/api/images",
    "UploadImageInstructions",
    # It issues a credential and changes nothing else, so it may be sent twice.
)
GET_IMAGE: Final["Operation[Image]"] = Operation("get_image", "GET", "/api/images/{name}", "Image")
LIST_IMAGES: Final["Operation[ResourceListOfImageSummary]"] = Operation(
    "list_images",
    "GET",
    "/api/images/repository/{name}",
    "ResourceListOfImageSummary",
    subject="repository",
)
LIST_REPOSITORIES: Final["Operation[ResourceListOfRepository]"] = Operation(
    "list_repositories",
    "GET",
    "/api/images/repository",
    "ResourceListOfRepository",
    subject="repository",
)
DELETE_IMAGE: Final[Operation[str]] = Operation(
    "delete_image",
    "DELETE",
    "/api/images/{name}",
    "str",
    retry_safe=False,
    withdrawn=True,
    done=(200, 202, 204),  # 200 is documented; a deleted image must not be reported as an error
)
DOWNLOAD_IMAGE: Final[Operation[None]] = Operation(
    "download_image", "GET", "/api/images/{name}/contents", "", withdrawn=True
)


def upload_image(image_name: str) -> "Call[UploadImageInstructions]":
    """Return the call for `image_name`, a `name:tag`. Raises `InvalidNameError`."""
    return Call(UPLOAD_IMAGE, body=json.dumps({"imageName": str(ImageName.parse(image_name))}))


def get_image(name: str) -> "Call[Image]":
    """Return the call for `name`, a `name:tag`. Raises `InvalidNameError`."""
    return Call(GET_IMAGE, str(ImageName.parse(name)))


def list_images(name: str, query: ListQuery) -> "Call[ResourceListOfImageSummary]":
    """Return the call for the repository `name`. Raises `InvalidNameError`."""
    # Looser than the rule for new images: the document has no rule for this parameter.
    if not _REPOSITORY_NAME.fullmatch(name):
        raise InvalidNameError(
            f"{name[:256]!r} is not a repository name.",
            cause="A repository name has letters, digits, '.', '_' and '-', but no tag, slash or "
            "host.",
            hint="Use only the part of NAME:TAG before the colon.",
        )
    return Call(LIST_IMAGES, name, query.params(), finish=query.with_page_tokens)


def list_repositories(query: ListQuery) -> "Call[ResourceListOfRepository]":
    """Return the call."""
    return Call(LIST_REPOSITORIES, params=query.params(), finish=query.with_page_tokens)


def delete_image(name: str) -> Call[str]:
    """Return the call for `name`, a `name:tag`. Raises `InvalidNameError`."""
    return Call(DELETE_IMAGE, str(ImageName.parse(name)))


def download_image(name: str) -> Call[None]:
    """Return the call for `name`, a `name:tag`. Raises `InvalidNameError`."""
    return Call(DOWNLOAD_IMAGE, str(ImageName.parse(name)))
