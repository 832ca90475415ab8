"""What differs between CIs: the log, the outputs, and the words for settings."""
