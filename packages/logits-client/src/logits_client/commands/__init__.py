"""Commands of the SDK: each talks to a running platform through the client."""
