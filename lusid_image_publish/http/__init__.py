"""HTTP: clients, retries and bounds, below LUSID and registries."""
