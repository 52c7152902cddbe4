"""Migrations of Accounts' store: forward only, one revision per file."""
