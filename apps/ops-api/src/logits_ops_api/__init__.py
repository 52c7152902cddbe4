"""Ops API: desired releases and redacted telemetry of every environment, at the vendor."""
