"""Full-text search in the passages of a course. Owns the ranking in Postgres."""

from uuid import UUID

from courses.course import Passage
from courses.library import PassageHit
from db import Connection
from db.courses import is_storable

MAX_QUERY = 2000  # characters


async def search_passages(
    db: Connection, tenant_id: UUID, course_id: UUID, query: str, *, limit: int = 8
) -> list[PassageHit]:
    """The passages of published lessons that share a word with the query, best first.

    One matching word is enough: a spoken question has many words that its answer does not.
    """
    words = "".join(char for char in query[:MAX_QUERY] if is_storable(char))
    rows = await db.fetch(
        """with question as (
             select replace(plainto_tsquery('english', $3)::text, '&', '|')::tsquery as words
           ), outline as (
             select id, title, row_number() over (order by module_index, order_index) as number
             from course_lessons where tenant_id = $1 and course_id = $2 and is_published
           )
           select p.id, p.lesson_id, p.number, p.kind, p.heading, p.body,
                  o.title as lesson_title, o.number as lesson_number,
                  ts_rank(p.search, q.words) as score
           from question q, passages p join outline o on o.id = p.lesson_id
           where p.tenant_id = $1 and p.search @@ q.words
           order by score desc, o.number, p.number
           limit $4""",
        tenant_id,
        course_id,
        words,
        limit,
    )
    return [
        PassageHit(
            Passage(
                row["id"],
                row["lesson_id"],
                row["number"],
                row["kind"],
                row["heading"],
                row["body"],
            ),
            row["lesson_title"],
            row["lesson_number"],
            row["score"],
        )
        for row in rows
    ]
