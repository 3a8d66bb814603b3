"""HTTP. Owns the routes under /api and /auth, sign-in, the errors, and the served page."""
