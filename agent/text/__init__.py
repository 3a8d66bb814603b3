"""The tutor's text on its way to the voice: formulas, citation marks, lines."""
