-- The journal is the truth: what happened, in the order this machine learned of it.
-- Everything below it is made from it and can be made again.
CREATE TABLE journal (
  seq     INTEGER PRIMARY KEY,  -- 1, 2, 3, … on this machine, without a hole
  machine INTEGER NOT NULL,     -- machines.row: who wrote the entry
  at      INTEGER NOT NULL,     -- ms since 1970, by the clock of that machine
  type    TEXT    NOT NULL,     -- 'take', 'recording', 'folder', … or a session event's type
  session TEXT,                 -- id of the session it belongs to; null: of none
  body    TEXT    NOT NULL,     -- JSON
  hash    BLOB    NOT NULL      -- 32 bytes: SHA-256 of the hash before and this entry
) STRICT;
CREATE INDEX journal_session ON journal (session, seq) WHERE session IS NOT NULL;

CREATE TABLE machines (
  row INTEGER PRIMARY KEY,
  id  TEXT NOT NULL UNIQUE      -- of the data folder, made on first use
) STRICT;

-- Small things that are kept for ever: pinned keys, watermarks.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL           -- JSON
) STRICT, WITHOUT ROWID;

-- What a session has come to, folded up to an entry, so that starting need not read it all again.
CREATE TABLE sessions (
  row      INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  topic    TEXT NOT NULL,
  closed   INTEGER NOT NULL,    -- 1: nothing can happen in it any more
  snapshot TEXT,                -- JSON; null: fold the journal from its beginning
  upto     INTEGER NOT NULL     -- journal.seq of the last entry in the snapshot
) STRICT;

CREATE INDEX sessions_topic ON sessions (topic COLLATE NOCASE);

-- Rooms and people, each once, so that a recording holds small numbers.
CREATE TABLE rooms (
  row    INTEGER PRIMARY KEY,
  id     TEXT NOT NULL,         -- the session's own id of the room ('2.1'), '' when it has none
  number INTEGER,               -- 0: main room; null: not known
  name   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX rooms_number ON rooms (number, name, id);
CREATE INDEX rooms_name ON rooms (name COLLATE NOCASE);

CREATE TABLE people (
  row  INTEGER PRIMARY KEY,
  id   TEXT NOT NULL,           -- the session's own id of the participant, '' when it has none
  name TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX people_id ON people (id, name);
CREATE INDEX people_name ON people (name COLLATE NOCASE);

-- What one participant captured in one room, from record to stop; or a file that nobody declared.
CREATE TABLE recordings (
  row         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  session     INTEGER,          -- sessions.row; null: unclaimed
  room        INTEGER,          -- rooms.row
  participant INTEGER,          -- people.row
  state       TEXT NOT NULL,    -- recording, paused, stopped, interrupted
  permission  TEXT NOT NULL,    -- permitted, not-permitted, approved, host, unknown, …
  verdict     TEXT NOT NULL,    -- the worst verdict of its takes; '' without takes
  started_at  INTEGER NOT NULL, -- ms since 1970
  ended_at    INTEGER,          -- ms since 1970; null while it goes on
  intervals   TEXT              -- JSON: [[from, to | null], …], ms since 1970; null: one, from start to end
) STRICT;
CREATE INDEX recordings_time ON recordings (started_at);
CREATE INDEX recordings_session ON recordings (session, started_at) WHERE session IS NOT NULL;
CREATE INDEX recordings_room ON recordings (room, started_at) WHERE room IS NOT NULL;
CREATE INDEX recordings_participant
  ON recordings (participant, started_at) WHERE participant IS NOT NULL;
-- Nearly all are stopped and whole: only the others need an index to be found quickly.
CREATE INDEX recordings_state ON recordings (state, started_at) WHERE state <> 'stopped';
CREATE INDEX recordings_verdict ON recordings (verdict, started_at) WHERE verdict <> 'whole';

-- One media file of a recording, from its first byte to its last.
CREATE TABLE takes (
  row            INTEGER PRIMARY KEY,
  id             TEXT NOT NULL UNIQUE,
  recording      INTEGER NOT NULL, -- recordings.row
  path           TEXT NOT NULL,    -- absolute; where the file was seen last
  path_hash      INTEGER NOT NULL, -- 32 bits of the path: an index on the path itself is 90 bytes a row
  identity       TEXT NOT NULL,    -- device and inode as '<device>:<inode>', '' when gone
  container      TEXT NOT NULL,
  recorder       TEXT NOT NULL,
  stage          TEXT NOT NULL,    -- how far its journey has come
  verdict        TEXT NOT NULL,
  recovered_path TEXT,
  duration_ms    INTEGER,
  bytes          INTEGER NOT NULL,
  sha256         BLOB,             -- 32 bytes, of the original
  sighted_at     INTEGER NOT NULL, -- ms since 1970: first seen by this daemon
  started_at     INTEGER,          -- ms since 1970: true start of the media
  ended_at       INTEGER,          -- ms since 1970
  attribution    TEXT NOT NULL,    -- declared, matched-by-time, ambiguous, unclaimed, by-hand
  detail         TEXT              -- JSON: reasons, diagnosis, report, …; null: none
) STRICT;
CREATE INDEX takes_recording ON takes (recording);
CREATE INDEX takes_identity ON takes (identity) WHERE identity <> '';
CREATE INDEX takes_path ON takes (path_hash);
-- The daemon goes on with these when it starts.
CREATE INDEX takes_unfinished ON takes (stage) WHERE stage <> 'indexed';

-- Where the resumable scanner stands in a growing file; removed when the take is indexed.
CREATE TABLE scans (
  take  INTEGER PRIMARY KEY,    -- takes.row
  state BLOB NOT NULL
) STRICT;

-- Whole files that a broken one of the same recorder learns its codecs from.
CREATE TABLE profiles (
  row       INTEGER PRIMARY KEY,
  container TEXT NOT NULL,
  signature TEXT NOT NULL,
  recorder  TEXT NOT NULL,
  path      TEXT NOT NULL,
  body      TEXT NOT NULL,
  taken_at  INTEGER NOT NULL,   -- ms since 1970
  UNIQUE (container, signature, recorder)
) STRICT;

CREATE TABLE folders (
  path     TEXT PRIMARY KEY,    -- absolute
  recorder TEXT,                -- id of the recorder profile; null: tell by the files
  added_at INTEGER NOT NULL     -- ms since 1970
) STRICT, WITHOUT ROWID;

-- Full text; rowid is recordings.row, so that "newest first" is the order of the index itself.
CREATE VIRTUAL TABLE search USING fts5 (
  topic, room, people, files,
  content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
