"""Adapters of the Entity DB: the thread that writes, and the files on the volume."""
