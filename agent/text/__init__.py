"""Text as it is spoken: sentences, formulas, citation marks."""
