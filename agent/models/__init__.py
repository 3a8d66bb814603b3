"""The choice of recogniser, voice and language model, each with its local fallback."""
