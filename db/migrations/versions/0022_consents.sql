-- What people agreed to, and each tenant's rules for rooms and guardians.

-- One row: this account agreed to a text of that hash. A text that changes is agreed to in a new row.
create table consents (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,
  session_id uuid,                       -- null: for all sessions
  kind text not null check (kind in ('tutor', 'transcript', 'recording', 'provider', 'guardian')),
  policy_version text not null,
  text_hash text not null check (text_hash ~ '^[0-9a-f]{64}$'),
  given_at timestamptz not null,
  withdrawn_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);

create unique index consents_open on consents
  (tenant_id, account_id, kind, policy_version, text_hash, session_id) nulls not distinct
  where withdrawn_at is null;

alter table consents enable row level security;
alter table consents force row level security;
create policy tenant on consents using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));

alter table tenants
  add column room_scope text check (room_scope in ('module', 'learner', 'choice')), -- null: ROOM_SCOPE
  add column guardian_consent text not null default 'off'
    check (guardian_consent in ('off', 'required'));

-- Words are stored only after somebody agreed to it, and until now nobody could: ask everybody.
alter table account_settings alter column store_words set default false;
alter table account_settings no force row level security;
update account_settings set store_words = false where store_words;
alter table account_settings force row level security;

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update on consents to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_watch') then
    grant select on consents to bodh_watch;
  end if;
end $$;
