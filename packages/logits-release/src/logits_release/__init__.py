"""Releases at the vendor: who holds which key, what they sign, and how it gets to the Ops API."""
