"""The LiveKit room: participants, lessons, microphones, captions."""
