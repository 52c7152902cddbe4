"""Routes of the API Server that no engine answers."""
