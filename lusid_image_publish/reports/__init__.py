"""Reports on a publication and its scan: functions that return text, and know of no file."""
