"""Routes of Accounts: one module per kind of page."""
