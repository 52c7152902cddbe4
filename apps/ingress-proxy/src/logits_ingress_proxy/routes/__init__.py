"""What the Ingress Proxy answers itself: the sign-in."""
