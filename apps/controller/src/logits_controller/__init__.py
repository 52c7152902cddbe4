"""Controller: turns desired entities into running components."""
