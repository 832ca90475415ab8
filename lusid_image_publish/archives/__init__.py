"""Image archives and OCI image layouts, read in place."""
