-- The application deletes an invited account that nobody signed in to, once its person has another.
do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    -- where bodh_jobs is not set up, bodh_app runs the jobs, which delete any account (0014)
    if exists (select from pg_roles where rolname = 'bodh_jobs') then
      create policy invited_only on accounts as restrictive for delete to bodh_app
        using (subject is null);
    end if;
    grant delete on accounts to bodh_app;
  end if;
end $$;
