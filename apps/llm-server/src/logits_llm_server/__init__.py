"""LLM Server: owns one GPU and the engines that run on it."""
