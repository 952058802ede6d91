CREATE TABLE users (
    id         UUID        NOT NULL PRIMARY KEY,
    email      TEXT        NOT NULL,
    email_key  TEXT        NOT NULL UNIQUE,
    name       TEXT        NOT NULL,
    version    BIGINT      NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
