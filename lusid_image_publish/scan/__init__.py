"""The vulnerability scan of an image: how far it is, and what a policy says of its findings."""
