"""Where an image comes from: a Dockerfile, the local engine, or an archive."""
