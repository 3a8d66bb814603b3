"""The voice: one Piper model for all rooms of a host, in a process of its own.

`piper-tts` is GPL-3.0-or-later: only `speech.voice.synthesiser` imports it, and only that process
loads it.
"""
