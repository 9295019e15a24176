"""The schema, step by step: each migration is one transaction, and none is changed after its release."""

from __future__ import annotations

import sqlite3

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT,
            note TEXT NOT NULL DEFAULT '',
            created REAL NOT NULL,
            spec TEXT NOT NULL,
            parent INTEGER REFERENCES runs(id) ON DELETE SET NULL,
            first_step INTEGER NOT NULL DEFAULT 0,
            branched_from TEXT,
            state TEXT NOT NULL DEFAULT 'waiting',
            schedule TEXT,
            epoch INTEGER NOT NULL DEFAULT 0,
            step INTEGER NOT NULL DEFAULT 0,
            total_steps INTEGER,
            seconds REAL NOT NULL DEFAULT 0,
            loss REAL,
            test_loss REAL,
            accuracy REAL,
            best_accuracy REAL,
            best_epoch INTEGER,
            device TEXT,
            data TEXT,
            versions TEXT NOT NULL,
            git_commit TEXT,
            command_line TEXT NOT NULL,
            directory TEXT NOT NULL,
            machine TEXT NOT NULL,
            pid INTEGER NOT NULL,
            pid_started TEXT NOT NULL,
            heartbeat REAL NOT NULL,
            finished REAL,
            error TEXT
        )
        """,
        """
        CREATE TABLE batches (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            step INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            batch INTEGER NOT NULL,
            seconds REAL NOT NULL,
            loss REAL,
            finite INTEGER NOT NULL,
            lr REAL,
            superseded INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE group_lrs (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            parameter_group INTEGER NOT NULL,
            lr REAL,
            PRIMARY KEY (run, seq, parameter_group)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE blocks (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            series TEXT NOT NULL,
            block INTEGER NOT NULL,
            low REAL,
            high REAL,
            sum REAL,
            count INTEGER NOT NULL,
            PRIMARY KEY (run, series, block)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE events (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            step INTEGER NOT NULL,
            seconds REAL NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL,
            superseded INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE inbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            sent REAL NOT NULL,
            command TEXT NOT NULL,
            taken REAL,
            answered REAL,
            obeyed INTEGER,
            answer TEXT
        )
        """,
        "CREATE INDEX inbox_waiting ON inbox (run) WHERE taken IS NULL",
        """
        CREATE VIEW evaluations AS
        SELECT run, seq, step, seconds,
            json_extract(body, '$.epoch') AS epoch,
            json_extract(body, '$.loss') AS loss,
            json_extract(body, '$.accuracy') AS accuracy,
            json_extract(body, '$.metrics') AS metrics,
            json_extract(body, '$.averaged') AS averaged
        FROM events
        WHERE kind = 'eval_done' AND NOT superseded
        """,
    ),
    (
        """
        CREATE TABLE step_metrics (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (run, seq, name)
        ) WITHOUT ROWID
        """,
    ),
    (
        # uid: also in the run's checkpoints; owner: token of who may write the run; both empty for earlier runs
        "ALTER TABLE runs ADD COLUMN uid TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        # whether a process has claimed the run and not started it yet
        "ALTER TABLE runs ADD COLUMN resuming INTEGER NOT NULL DEFAULT 0",
    ),
)

LATEST = len(MIGRATIONS)
"""The schema's version: the number of migrations applied."""


def migrate(connection: sqlite3.Connection, application_id: int) -> None:
    """Bring the database up to date; each migration is atomic, and the first process to get the lock applies it."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = connection.execute("PRAGMA user_version").fetchone()[0]
            if done >= LATEST:
                connection.execute("ROLLBACK")
                return
            for statement in MIGRATIONS[done]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {application_id}")
            connection.execute(f"PRAGMA user_version = {done + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def has_step_metrics(connection: sqlite3.Connection) -> bool:
    """Return whether the database has the table of schema 2."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'step_metrics'").fetchone() is not None


def has_owners(connection: sqlite3.Connection) -> bool:
    """Return whether the table of runs has the columns of schema 3."""
    return any(row[1] == "owner" for row in connection.execute("PRAGMA table_info(runs)"))
