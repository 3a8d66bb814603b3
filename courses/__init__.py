"""Courses without a database: types and rules, the authoring format, a library in memory."""
