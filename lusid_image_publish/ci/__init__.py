"""What is particular to a CI platform: its log, its outputs, and what it calls things."""
