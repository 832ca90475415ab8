#!/bin/sh
# A LUSID job gets its arguments from the Scheduler, as a command line or as environment variables.
echo "Hello from a LUSID job, $(date -u '+%Y-%m-%d %H:%M:%S') UTC, arguments: ${*:-none}"
