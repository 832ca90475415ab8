"""SOURCE: a Dockerfile, an image or an archive, which opens as an image."""
