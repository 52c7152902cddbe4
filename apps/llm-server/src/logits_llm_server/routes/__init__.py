"""Routes of the LLM Server that aren't relayed to the engine."""
