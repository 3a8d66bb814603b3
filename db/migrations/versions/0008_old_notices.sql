-- Who writes notices deletes those that have been over for long.

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant delete on admin_notices to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant delete on admin_notices to bodh_watch;
  end if;
end $$;
