"""Routes of the Collector."""
