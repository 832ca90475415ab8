"""Publish a Docker image to FINBOURNE's LUSID Scheduler, and prove that it arrived."""

__version__ = "0.1.0"
