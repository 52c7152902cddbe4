"""The platform on one machine: its data directory, its daemon, and the way to the first answer."""
