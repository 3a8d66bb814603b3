-- The log of who read whose words has a retention of its own.

alter table retention_rules
  drop constraint retention_rules_kind_check,
  add constraint retention_rules_kind_check
    check (kind in ('transcripts', 'sessions', 'accounts', 'dead_letters', 'access_log'));
alter table retention_removals
  drop constraint retention_removals_kind_check,
  add constraint retention_removals_kind_check
    check (kind in ('transcripts', 'sessions', 'accounts', 'dead_letters', 'access_log'));

do $$
begin
  if not exists (select from pg_roles where rolname = 'bodh_jobs')
     and exists (select from pg_roles where rolname = 'bodh_app') then
    grant delete on access_log to bodh_app;             -- runs the jobs where bodh_jobs is not set up
  end if;
end $$;
