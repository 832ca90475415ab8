"""Let finbourne-sdk list images and print what came of it, as JSON.

Each line of stdin is `{"folder": ..., "variables": {...}, "calls": [...]}`: the SDK finds its
configuration by itself, in the variables and in the folder's secrets.json. A call is
`{"repository": ...}`, and its result the tags that the SDK lists.
"""

import json
import os
import sys

from finbourne.sdk.extensions import SyncApiClientFactory
from finbourne.sdk.services.scheduler.api.images_api import ImagesApi


def run(calls: list[dict[str, str]]) -> list[list[str]]:
    """Return the tags of each repository."""
    api = SyncApiClientFactory().build(ImagesApi)
    return [
        sorted(
            tag.name for image in api.list_images(call["repository"]).values for tag in image.tags
        )
        for call in calls
    ]


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["variables"])
        os.chdir(asked["folder"])
        json.dump(run(asked["calls"]), sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()
