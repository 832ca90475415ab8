"""From a SOURCE to an image that LUSID lists."""
