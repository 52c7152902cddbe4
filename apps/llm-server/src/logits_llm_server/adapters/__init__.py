"""Adapters of the LLM Server: child processes, the two engines, and weights on disk."""
