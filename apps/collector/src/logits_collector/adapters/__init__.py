"""Adapters of the Collector: pods, their streams and metrics, the spool, the way to the Gateway."""
