"""Jobs of the Scheduler: point one at an image, and run it."""
