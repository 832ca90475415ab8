"""Where an image comes from: a Dockerfile or an image in the local engine."""
