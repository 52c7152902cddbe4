"""Adapters of the Controller: one outside system each."""
