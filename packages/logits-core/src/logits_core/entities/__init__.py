"""Entities: desired and observed state with compare-and-swap, history and watches, without any I/O."""
