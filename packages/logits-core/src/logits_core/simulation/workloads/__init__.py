"""The workloads: what users ask for in a simulation, each with where it comes from."""

from logits_core.simulation.workloads.agents import Agents
from logits_core.simulation.workloads.mixed import Mixed
from logits_core.simulation.workloads.shared_prefix import Ladder, capacity_37, capacity_73
from logits_core.simulation.workloads.trace import Trace, read_trace

__all__ = ["Agents", "Ladder", "Mixed", "Trace", "capacity_37", "capacity_73", "read_trace"]
