"""Delete the images of a repository, except the newest ones and the one tagged latest."""

import sys
from contextlib import suppress

from lusid_image_publish import ImagesClient, errors, load_settings

repository, keep = sys.argv[1], int(sys.argv[2])
with ImagesClient(load_settings()) as images:
    newest_first = list(images.iter_images(repository, sort_by="-pushTime"))
    for image in newest_first[keep:]:
        tags = [tag.name for tag in image.tags or () if tag.name]
        if "latest" in tags:
            continue
        for tag in tags:
            with suppress(errors.NotFoundError):  # deleted with another tag of the image
                images.delete_image(f"{repository}:{tag}")
                print("deleted", f"{repository}:{tag}")
