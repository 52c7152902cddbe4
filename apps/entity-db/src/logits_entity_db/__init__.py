"""Entity DB: desired and observed state behind a small REST API."""
