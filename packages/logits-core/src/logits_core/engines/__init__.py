"""Engines: what an LLM Server decides about the processes that run models, without running any."""
