"""A Scheduler for this machine: the Images API over a real registry.

It speaks the wire itself and shares no code with the client in `scheduler/`, so that a mistake in
one is not repeated in the other. It is what `--local` starts, and what other people's clients can
be tried against.
"""
