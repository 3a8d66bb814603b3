"""The durable record of a session, which an agent reads when it takes over."""
