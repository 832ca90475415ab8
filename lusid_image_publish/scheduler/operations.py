"""The operations of the Images API as values: what is asked and what comes back, without I/O."""

import urllib.parse
from dataclasses import dataclass
from typing import Generic, TypeVar

from lusid_image_publish.scheduler.models import Image, UploadImageInstructions, WireModel

Answer = TypeVar("Answer", bound=WireModel)


@dataclass(frozen=True)
class Operation(Generic[Answer]):
    """One operation.

    `name` is the API's own, `path` is relative to the Scheduler's URL and may have a `{name}`,
    `answer` is the model of a 200. `retry_safe` says whether the request may be sent again when it
    is unknown what became of the first.
    """

    name: str
    method: str
    path: str
    answer: type[Answer]
    retry_safe: bool

    def url_path(self, name: str = "") -> str:
        """Return the path for one image; `name` is percent-encoded whole, as the SDKs do."""
        return self.path.format(name=urllib.parse.quote(name, safe=""))


UPLOAD_IMAGE = Operation(
    name="upload_image",
    method="POST",
    path="/api/images",
    answer=UploadImageInstructions,
    retry_safe=True,  # it hands out a credential and changes nothing else
)
GET_IMAGE = Operation(
    name="get_image",
    method="GET",
    path="/api/images/{name}",
    answer=Image,
    retry_safe=True,
)
