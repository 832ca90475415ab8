"""`python -m lusid_image_publish` is `lusid-publish`."""

from lusid_image_publish.cli.start import lusid_publish

if __name__ == "__main__":
    lusid_publish()
