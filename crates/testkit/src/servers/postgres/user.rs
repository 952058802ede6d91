//! The user that runs the server.

use std::fs;
use std::process::Command;

use super::USER;
use crate::process::folder::Owner;

/// The user `nobody`, for a machine without the server's own user.
const NOBODY: Owner = Owner {
    uid: 65_534,
    gid: 65_534,
};

/// `None` if this process is not root's: then the server runs as we do.
pub(super) fn owner_if_root() -> Option<Owner> {
    let our_uid = Command::new("id").arg("-u").output().ok()?.stdout;
    (our_uid.trim_ascii() == b"0").then(|| {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&passwd).unwrap_or(NOBODY)
    })
}

/// The server's user in a file of lines like `postgres:x:101:104:...`.
fn find(passwd: &str) -> Option<Owner> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(USER)).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Owner { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_user_is_found_by_its_whole_name() {
        let other = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:8::/:/bin/sh\n";
        let ours = Owner { uid: 101, gid: 104 };
        for (line, owner) in [
            (
                "postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash",
                Some(ours),
            ),
            (
                "postgres:x:many:104:,,,:/var/lib/postgresql:/bin/bash",
                None,
            ),
            ("postgres", None),
            ("", None),
        ] {
            assert_eq!(find(&format!("{other}{line}")), owner, "{line}");
        }
    }
}
