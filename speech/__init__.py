"""The speech engine: one Whisper model for all rooms of a host, in a process of its own."""
