"""SOURCE: what a person publishes, and the image that it opens as."""
