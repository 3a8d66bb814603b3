"""Plugins of livekit-agents: our recogniser, voice, tutor without a model, voice activity."""
