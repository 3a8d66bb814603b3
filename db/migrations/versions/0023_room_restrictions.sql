-- People whom a teacher removed from a session, or muted in it.

create table room_restrictions (
  tenant_id uuid not null references tenants (id),
  session_id uuid not null,
  account_id uuid not null,
  kind text not null check (kind in ('removed', 'muted')),
  by_account_id uuid,
  since timestamptz not null,
  primary key (tenant_id, session_id, account_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, by_account_id) references accounts (tenant_id, id)
    on delete set null (by_account_id)
);
create index room_restrictions_account on room_restrictions (tenant_id, account_id);
create index room_restrictions_by_account on room_restrictions (tenant_id, by_account_id);

alter table room_restrictions enable row level security;
alter table room_restrictions force row level security;
create policy tenant on room_restrictions using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update, delete on room_restrictions to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select on room_restrictions to bodh_watch;
  end if;
end $$;
