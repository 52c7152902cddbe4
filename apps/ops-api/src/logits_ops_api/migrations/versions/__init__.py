"""Revisions of the Ops API's store, oldest first by number."""
