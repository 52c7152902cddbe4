"""Commands that the embedded cluster adds to `logits`: up, down, status and logs."""
