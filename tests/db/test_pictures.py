"""Pictures of courses: stored by the import, deleted by a job once no passage shows them."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from courses.folder import CourseFile, read_course
from courses.tree import build_tree
from db import Pool, create_pool, tenant_tx
from db.importing import import_course
from db.pictures import picture_object, store_pictures
from db.storage import Storage, open_storage
from settings import Settings
from tests.conftest import ROOT, Database
from tests.db.job_parts import running, until_ended
from tests.unit.test_course_pictures import PNG, course


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


async def import_pictures(pool: Pool, storage: Storage, tenant_id: UUID, file: CourseFile) -> UUID:
    async with tenant_tx(pool, tenant_id) as db:
        taken = await import_course(db, tenant_id, build_tree(file, tenant_id))
        await store_pictures(db, storage, tenant_id, taken.id, file.pictures)
    return taken.id


async def jobs_queued(pool: Pool, tenant_id: UUID) -> list[str]:
    async with tenant_tx(pool, tenant_id) as db:
        rows = await db.fetch("select kind from background_jobs where state = 'pending'")
    return [row["kind"] for row in rows]


async def test_picture_is_stored_once_and_a_second_import_queues_nothing(
    pool: Pool, storage: Storage, tenant_id: UUID, tmp_path: Path
) -> None:
    file = read_course(course(tmp_path / "course", "![a](images/a.png)", a_png=PNG))
    for _ in range(2):
        course_id = await import_pictures(pool, storage, tenant_id, file)
    (picture,) = file.pictures
    name = picture_object(course_id, picture.name)
    assert await storage.list_names(tenant_id, "courses") == [name]
    assert b"".join([chunk async for chunk in storage.read(tenant_id, name)]) == PNG
    assert await jobs_queued(pool, tenant_id) == []


async def test_picture_that_no_passage_shows_is_deleted_by_a_job(
    pool: Pool, database: Database, storage: Storage, tenant_id: UUID, tmp_path: Path
) -> None:
    text = "![a](images/a.png)\n\n![b](images/b.png)"
    folder = course(tmp_path / "course", text, a_png=PNG, b_png=PNG + b"other")
    file = read_course(folder)
    course_id = await import_pictures(pool, storage, tenant_id, file)
    kept, gone = (picture_object(course_id, picture.name) for picture in file.pictures)
    lesson = folder / "01-start" / "01-apples.md"
    lesson.write_text(lesson.read_text().replace("![b](images/b.png)", "no picture"))
    await import_pictures(pool, storage, tenant_id, read_course(folder))
    assert await jobs_queued(pool, tenant_id) == ["delete_pictures"]
    assert await storage.list_names(tenant_id, "courses") == sorted([kept, gone])
    async with (
        await create_pool(database.dsn("bodh_jobs")) as jobs_pool,
        running(database, jobs_pool, storage=storage),
    ):
        await until_ended(pool, tenant_id, 1)
    assert await storage.list_names(tenant_id, "courses") == [kept]


async def test_picture_of_a_withdrawn_lesson_is_kept_with_its_progress(
    pool: Pool, storage: Storage, tenant_id: UUID, tmp_path: Path
) -> None:
    folder = course(tmp_path / "course", "![a](images/a.png)", a_png=PNG)
    course_id = await import_pictures(pool, storage, tenant_id, read_course(folder))
    async with tenant_tx(pool, tenant_id) as db:
        await db.execute(
            """with learner as (
                 insert into accounts (tenant_id, subject, identity) values ($1, 's', 'l_1')
                 returning id)
               insert into lesson_progress (tenant_id, account_id, lesson_id)
               select $1, learner.id, lessons.id from learner, lessons""",
            tenant_id,
        )
    lesson = folder / "01-start" / "01-apples.md"
    lesson.rename(lesson.with_name("01-pears.md")).write_text("---\ntitle: Pears\n---\nA pear.\n")
    await import_pictures(pool, storage, tenant_id, read_course(folder))
    assert await jobs_queued(pool, tenant_id) == []
    assert len(await storage.list_names(tenant_id, f"courses/{course_id}")) == 1


@pytest.mark.slow
async def test_import_command_stores_pictures_and_reports_a_missing_one(
    database: Database, tenant_id: UUID, settings: Settings, tmp_path: Path
) -> None:
    folder = course(tmp_path / "course", "![a](images/a.png)", a_png=PNG)
    environment = {"BODH_HOME": str(settings.bodh_home), "DATABASE_URL": database.dsn()}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "db", "import", str(folder)],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run().returncode == 0
    names = await open_storage(settings).list_names(tenant_id, "courses")
    assert [Path(name).suffix for name in names] == [".png"]
    (folder / "01-start" / "images" / "a.png").unlink()
    refused = run()
    assert refused.returncode == 1
    assert refused.stderr == "01-start/01-apples.md:4: there is no file images/a.png\n"
