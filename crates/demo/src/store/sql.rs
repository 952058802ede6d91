//! The statements that both databases understand.

pub(super) const INSERT: &str = "
    INSERT INTO users (id, email, email_key, name, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const GET: &str = "SELECT * FROM users WHERE id = $1";

pub(super) const LIST: &str = "SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2";

pub(super) const UPDATE: &str = "
    UPDATE users
    SET email = $3, email_key = $4, name = $5, updated_at = $6, version = version + 1
    WHERE id = $1 AND version = COALESCE($2, version)
    RETURNING *";

pub(super) const DELETE: &str = "
    DELETE FROM users WHERE id = $1 AND version = COALESCE($2, version)";

pub(super) const PING: &str = "SELECT 1";
