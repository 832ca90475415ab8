"""The vulnerability scan of an image: its progress, and the verdict of a policy."""
