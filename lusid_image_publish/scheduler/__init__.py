"""The LUSID Scheduler's Images API, client side."""
