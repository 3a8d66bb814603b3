"""Alembic's entry: see db/migrate.py."""

import asyncio

from alembic import context

from db.migrate import migrate_online

asyncio.run(migrate_online(context.config, context.script))
