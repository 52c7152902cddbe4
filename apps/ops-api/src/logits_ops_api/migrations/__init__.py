"""Migrations of the Ops API's store: forward only, one revision per file."""
