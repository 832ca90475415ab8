"""Differences between CIs: the log, the outputs, and where their settings are."""
