-- What a learner took back and what they chose.

-- One row: this account erased what it had said in this session until then. It outlives the words,
-- so that an entry which a spool still holds cannot bring them back.
create table erased_words (
  tenant_id uuid not null references tenants (id),
  session_id uuid not null,
  account_id uuid not null,
  erased_at timestamptz not null,
  primary key (tenant_id, session_id, account_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);

-- The ids of erased segments: an answer of the tutor names the one it answers.
create table erased_segments (
  tenant_id uuid not null references tenants (id),
  session_id uuid not null,
  id text not null,
  primary key (tenant_id, session_id, id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);

create table account_settings (
  tenant_id uuid not null references tenants (id),
  account_id uuid not null,
  store_words boolean not null default true,
  speech_rate double precision not null default 1 check (speech_rate between 0.5 and 2),
  voice boolean not null default true,
  caption_size text not null default 'normal'
    check (caption_size in ('small', 'normal', 'large', 'largest')),
  read_tutor boolean not null default false,
  single_keys boolean not null default true,
  theme text not null default 'system' check (theme in ('system', 'light', 'dark')),
  primary key (tenant_id, account_id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);

-- a learner's own transcripts are found from the learner
create index room_learners_account on room_learners (tenant_id, account_id);
create index sessions_room on sessions (tenant_id, room_id);

do $$
declare name text;
begin
  foreach name in array array['erased_words', 'erased_segments', 'account_settings'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (tenant_id = (select current_tenant()))
       with check (tenant_id = (select current_tenant()))', name);
  end loop;
end $$;

do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select, insert, update on erased_words, account_settings to bodh_app;
    grant select, insert on erased_segments to bodh_app;
    grant delete on transcript_segments, dead_letters to bodh_app;
    grant select (tenant_id, kind, payload) on dead_letters to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_drain') then
    grant select on erased_words to bodh_drain;
    grant select, insert on erased_segments to bodh_drain;
  end if;
end $$;
