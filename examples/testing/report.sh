#!/bin/sh
# Called as `report date 2026-01-31`: a command line argument of a job is its name and its value.
echo "Report of ${2:?the argument date is missing}"
