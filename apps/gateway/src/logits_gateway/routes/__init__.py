"""Routes of the Gateway, one module per resource."""
