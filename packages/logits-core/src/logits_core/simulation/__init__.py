"""The simulation room: fleets of continuous-batching engines behind routers, event by event, seeded and pure."""
