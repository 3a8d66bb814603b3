-- Alarms of the hosts, for the operator; and what the watcher's role needs to raise and keep them.

create table admin_notices (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  host text not null,
  name text not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  cleared_at timestamptz,                              -- null while the alarm stands
  count integer not null default 1 check (count > 0),
  facts jsonb not null default '{}',                   -- ids and counts
  primary key (tenant_id, id)
);
create unique index admin_notices_standing on admin_notices (tenant_id, host, name)
  where cleared_at is null;
create index admin_notices_newest on admin_notices (tenant_id, last_at desc);

alter table admin_notices enable row level security;
alter table admin_notices force row level security;
create policy tenant on admin_notices using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update on admin_notices to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select, insert, update on admin_notices to bodh_watch;
    grant select (tenant_id) on dead_letters to bodh_watch;
  end if;
end $$;
