"""HTTP: the routes under /api and /auth, webhooks, health checks, and the web client's files."""
