"""The Ingress Proxy: one entry point in front of Console, API Server and Entity DB."""
