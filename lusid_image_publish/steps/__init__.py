"""The steps of publish(): each takes what the one before has found, and does one thing."""
