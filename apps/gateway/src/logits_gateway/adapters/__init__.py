"""Adapters of the Gateway: disk, Kubernetes API and Ops API, one port each."""
