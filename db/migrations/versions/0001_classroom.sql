-- Tenants, accounts, the course tree, rooms, sessions, transcripts.
-- Every table with tenant_id: composite keys start with it, foreign keys contain it,
-- row-level security is forced and reads app.tenant_id, set per transaction by db.tenant_tx.

create function current_tenant() returns uuid language sql stable as
$$ select nullif(current_setting('app.tenant_id', true), '')::uuid $$;

create table tenants (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique,
  name text not null,
  created_at timestamptz not null default now()
);
insert into tenants (slug, name) values ('default', 'Bodh');

create table accounts (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  subject text not null,                 -- `sub` of the sign-in token; dev-login: the name
  name text not null default 'User',
  role text not null default 'learner' check (role in ('admin', 'teacher', 'learner')),
  identity text not null unique,         -- LiveKit identity: l_ or m_ and an opaque id
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, subject)
);

create table courses (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  course_id text,                        -- the outside key of document 000
  slug text not null,
  title text not null,                   -- `name` of document 004
  description text not null default '',
  learning_objectives text[] not null default '{}',
  is_published boolean,                  -- null counts as published (document 004, old rows)
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, slug),
  unique (tenant_id, course_id)
);

create table modules (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  course_id uuid not null,
  title text not null,
  description text not null default '',
  order_index int not null,
  is_published boolean,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, course_id, order_index) deferrable initially deferred,
  foreign key (tenant_id, course_id) references courses (tenant_id, id) on delete cascade
);

create table lessons (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  module_id uuid not null,
  title text not null,
  order_index int not null,
  description text not null default '',
  objectives text[] not null default '{}',
  duration_s int,
  kpoint_video_id text,
  youtube_video_id text,
  captions_vtt text,
  is_published boolean,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, module_id, order_index) deferrable initially deferred,
  foreign key (tenant_id, module_id) references modules (tenant_id, id) on delete cascade
);

create table passages (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  lesson_id uuid not null,
  number int not null check (number > 0),           -- 1-based within its lesson
  kind text not null check (kind in ('text', 'code', 'formula')),
  heading text not null default '',
  body text not null,                               -- Markdown as authored
  search tsvector generated always as (
    setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', body), 'B')
  ) stored,
  primary key (tenant_id, id),
  unique (tenant_id, lesson_id, number) deferrable initially deferred,
  foreign key (tenant_id, lesson_id) references lessons (tenant_id, id) on delete cascade
);
create index passages_search on passages using gin (search);

create table quiz_questions (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  lesson_id uuid not null,
  number int not null check (number > 0),
  prompt text not null,
  options text[] not null check (cardinality(options) between 2 and 8),
  hint text not null default '',
  passage_number int,
  primary key (tenant_id, id),
  unique (tenant_id, lesson_id, number) deferrable initially deferred,
  foreign key (tenant_id, lesson_id) references lessons (tenant_id, id) on delete cascade
);

-- The key stands apart, so that no query about a question can carry it: only db/quizzes.grade reads it.
create table quiz_keys (
  tenant_id uuid not null references tenants (id),
  question_id uuid not null,
  answer int not null check (answer >= 0),          -- index into options
  why text not null default '',                     -- told after a right answer only
  primary key (tenant_id, question_id),
  foreign key (tenant_id, question_id) references quiz_questions (tenant_id, id) on delete cascade
);

create table enrollments (
  tenant_id uuid not null references tenants (id),
  account_id uuid not null,
  course_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, account_id, course_id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, course_id) references courses (tenant_id, id) on delete cascade
);

create table lesson_progress (
  tenant_id uuid not null references tenants (id),
  account_id uuid not null,
  lesson_id uuid not null,
  status text not null default 'not_started'
    check (status in ('not_started', 'in_progress', 'completed')),
  percentage int not null default 0 check (percentage between 0 and 100),
  last_position double precision not null default 0,   -- seconds into the video
  last_accessed_at timestamptz not null default now(),
  primary key (tenant_id, account_id, lesson_id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, lesson_id) references lessons (tenant_id, id) on delete cascade
);

-- One run through a lesson's quiz: what is pending, how far the hints went, the score.
create table quiz_runs (
  tenant_id uuid not null references tenants (id),
  account_id uuid not null,
  lesson_id uuid not null,
  pending_question_id uuid,                            -- null: no question stands open
  hint_level int not null default 0,
  attempts int not null default 0,                     -- wrong answers to the pending question
  answered int not null default 0,
  correct int not null default 0,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, account_id, lesson_id),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, lesson_id) references lessons (tenant_id, id) on delete cascade
);

-- A name of a room and what it is for; it outlives the LiveKit rooms made under that name.
create table livekit_rooms (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  name text not null unique,
  kind text not null default 'tutor' check (kind in ('tutor', 'mentoring', 'class')),
  course_id uuid,
  module_id uuid,
  opener_account_id uuid,
  revision bigint not null default 0,                  -- counter of lesson changes in this room
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, module_id) references modules (tenant_id, id)
    on delete set null (module_id),                    -- what was said outlives the module
  foreign key (tenant_id, opener_account_id) references accounts (tenant_id, id)
);

-- What a learner is doing in a room: which lesson, since which revision, when last greeted.
create table room_learners (
  tenant_id uuid not null references tenants (id),
  room_id uuid not null,
  account_id uuid not null,
  lesson_id uuid,
  revision bigint not null default 0,
  greeted_at timestamptz,
  token_at timestamptz not null default now(),
  primary key (tenant_id, room_id, account_id),
  foreign key (tenant_id, room_id) references livekit_rooms (tenant_id, id) on delete cascade,
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, lesson_id) references lessons (tenant_id, id) on delete set null (lesson_id)
);

create table sessions (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  kind text not null default 'tutor' check (kind in ('tutor', 'mentoring', 'class')),
  status text not null default 'active'
    check (status in ('scheduled', 'active', 'completed', 'cancelled', 'no_show')),
  room_id uuid not null,
  room_sid text not null default '',                   -- LiveKit's id of the living room
  started_at timestamptz not null default now(),       -- zero of the session clock
  ended_at timestamptz,
  agent_epoch int not null default 0,                  -- one more for every dispatch
  agent_dispatched_at timestamptz,
  agent_beat_at timestamptz,                           -- written by the agent job of this epoch
  primary key (tenant_id, id),
  foreign key (tenant_id, room_id) references livekit_rooms (tenant_id, id) on delete cascade
);
create unique index sessions_one_active on sessions (tenant_id, room_id) where status = 'active';

-- One row per connection (participant sid), agents not counted.
create table livekit_participants (
  tenant_id uuid not null references tenants (id),
  session_id uuid not null,
  sid text not null,
  account_id uuid not null,
  joined_at timestamptz not null,
  left_at timestamptz,
  primary key (tenant_id, session_id, sid),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);

create table transcript_segments (
  tenant_id uuid not null references tenants (id),
  session_id uuid not null,
  id text not null,                                    -- the spool's natural key
  account_id uuid,                                     -- null: the tutor
  identity text not null,
  name text not null,
  role text not null check (role in ('learner', 'tutor')),
  source text not null check (source in ('voice', 'text')),
  text text not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  lesson_id uuid,                                      -- no foreign key: words outlive a lesson
  language text,
  confidence real,
  interrupted boolean not null default false,
  in_reply_to text,                                    -- id of the learner's segment answered
  provenance text not null default 'live' check (provenance in ('content', 'live', 'final')),
  epoch int not null,
  local_seq bigint not null,                           -- order of the spool within an epoch
  stored_at timestamptz not null default now(),
  search tsvector generated always as (to_tsvector('english', text)) stored,
  primary key (tenant_id, session_id, id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index transcript_segments_order on transcript_segments (tenant_id, session_id, started_at);
create index transcript_segments_search on transcript_segments using gin (search);

-- A row the drainer could not store, with the reason: an operator looks at it.
create table dead_letters (
  tenant_id uuid not null references tenants (id),
  id uuid not null default gen_random_uuid(),
  kind text not null,
  entry_key text not null,
  payload jsonb not null,
  error text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, kind, entry_key)
);

create table request_rates (
  tenant_id uuid not null references tenants (id),
  account_id uuid not null,
  name text not null,
  minute timestamptz not null,
  hits int not null default 0,
  primary key (tenant_id, account_id, name, minute),
  foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);

-- Lessons with their place in the course; published means that the module is as well.
create view course_lessons with (security_invoker = true) as
select l.tenant_id, l.id, l.module_id, m.course_id, l.title, l.order_index, l.description,
       l.objectives, l.duration_s, l.kpoint_video_id, l.youtube_video_id,
       m.order_index as module_index,
       coalesce(l.is_published, true) and coalesce(m.is_published, true) as is_published
from lessons l join modules m on m.tenant_id = l.tenant_id and m.id = l.module_id;

-- Row-level security, the second lock behind the tenant predicates: forced, so that it also binds
-- the owner. The sub-select makes Postgres read the setting once per statement.
do $$
declare name text;
begin
  for name in
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
      and a.attname = 'tenant_id'
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (tenant_id = (select current_tenant()))
       with check (tenant_id = (select current_tenant()))', name);
  end loop;
end $$;

-- What the processes may do; the roles are made before (db/embedded.py, or by an operator).
-- Without them the tables' owner serves all, still bound by the policies.
do $$
begin
  if exists (select from pg_roles where rolname = 'bodh_app') then
    grant select on course_lessons to bodh_app;
    grant select, insert on tenants, enrollments, transcript_segments to bodh_app;
    grant select, insert, update on accounts, lesson_progress, quiz_runs, livekit_rooms,
      room_learners, sessions, livekit_participants to bodh_app;
    grant select, insert, update, delete on courses, modules, lessons, passages,
      quiz_questions, quiz_keys, request_rates to bodh_app;
  end if;
  if exists (select from pg_roles where rolname = 'bodh_drain') then
    grant select, insert on transcript_segments, dead_letters to bodh_drain;
    grant select, insert, update on livekit_participants to bodh_drain;
  end if;
end $$;
