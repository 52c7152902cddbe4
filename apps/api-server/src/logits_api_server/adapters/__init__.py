"""Adapters of the API Server: how demand reaches the Entity DB."""
