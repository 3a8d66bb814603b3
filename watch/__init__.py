"""The process that watches rooms and agents, applies webhooks, and raises alarms."""
