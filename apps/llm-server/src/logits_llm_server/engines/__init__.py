"""Programs that run as children of the LLM Server, each with as few imports as its engine allows."""
