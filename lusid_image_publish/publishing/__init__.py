"""Publish a SOURCE as an image that LUSID lists."""
