"""Image archives and OCI image layouts, read where they are."""
