"""The bodh-agent worker: joins tutor rooms, teaches by voice, and records what is said."""
