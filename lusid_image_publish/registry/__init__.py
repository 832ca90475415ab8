"""A registry: where an image goes, over HTTP or through the engine."""
