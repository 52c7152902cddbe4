"""Collector: carries redacted logs and metrics to the vendor."""
