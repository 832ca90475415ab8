"""A registry, and pushes to it over HTTP or through the engine."""
