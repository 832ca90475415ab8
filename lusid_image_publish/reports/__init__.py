"""Reports on a publication and its scan: functions that return text, and write no file."""
