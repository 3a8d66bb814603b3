"""What is kept of a session, and read again by the agent that takes it over."""
