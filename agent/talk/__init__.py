"""The conversation: who says what to whom, and when."""
