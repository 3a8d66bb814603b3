-- The job that deletes unused pictures reads which pictures the passages of a course show.

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_jobs') then
    grant select on modules, lessons, passages, course_lessons to bodh_jobs;
  end if;
end $$;
