"""The routing bench: published routers, reimplemented, beside ours in one simulator."""
