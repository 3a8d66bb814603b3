"""One module per figure, or per family of figures: `add_arguments` and `run`."""
