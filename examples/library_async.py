"""Print the newest image of each repository, with its scan status and critical findings."""

import asyncio

from lusid_image_publish import AsyncImagesClient, load_settings


async def main() -> None:
    """Ask for the images of all repositories at the same time."""
    async with AsyncImagesClient(load_settings()) as images:
        names = [repository.name async for repository in images.iter_repositories()]
        newest = (images.list_images(name, sort_by="-pushTime", limit=1) for name in names)
        for name, page in zip(names, await asyncio.gather(*newest), strict=True):
            for image in page.values:
                found = image.scan_summary
                critical = found.critical if found else None
                print(name, image.digest, image.scan_status, f"critical: {critical}")


asyncio.run(main())
