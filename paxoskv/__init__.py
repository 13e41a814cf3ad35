"""paxoskv: a strongly consistent, replicated key-value store."""
