"""Gateway: the trust boundary between the customer's cluster and everybody else."""
