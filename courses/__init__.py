"""Courses without a database: their types and rules, the authoring format, a library in memory."""
