"""The API Server: the OpenAI-compatible door to every model of the cluster."""
