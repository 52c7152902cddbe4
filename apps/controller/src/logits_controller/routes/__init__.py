"""Routes of the Controller: what it decided last, for people who look."""
