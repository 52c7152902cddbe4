"""What every Logits app shares: process shell, telemetry, relay, clients of our own APIs."""
