"""In from and out to the LiveKit room: participants, lessons, microphones, captions."""
