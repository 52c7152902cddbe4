"""Accounts: sign-up, organisations and environments, at the vendor."""
