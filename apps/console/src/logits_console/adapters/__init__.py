"""Adapters of the Console: the Gateway and the API Server."""
