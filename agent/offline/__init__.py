"""The tutor without a language model."""
