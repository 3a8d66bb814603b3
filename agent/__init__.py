"""The bodh-agent worker: joins course-module rooms, teaches by voice, writes down what is said."""
