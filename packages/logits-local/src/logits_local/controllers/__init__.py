"""Controllers of the embedded cluster: Deployments, ReplicaSets and the scheduler, as pure plans."""
