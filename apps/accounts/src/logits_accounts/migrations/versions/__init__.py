"""Revisions of Accounts' store, oldest first by number."""
