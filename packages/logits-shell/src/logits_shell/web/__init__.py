"""Web: what every page of ours shares: security headers, same-origin rule, live events, look."""
