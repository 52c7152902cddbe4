"""Routes of the Ops API: one module per kind of caller."""
