"""Routes of the Console."""
