"""A Scheduler for this machine: the Images API over a real registry.

It implements the protocol itself and shares no code with the client in `scheduler/`, so that a
mistake in one is not repeated in the other. `--local` starts it, and other clients can be tested
against it.
"""
