//! Who `name`, `uid`, `name:group` and `uid:gid` are, by the container's own /etc/passwd and /etc/group, as the engine
//! reads them: no name service, no libraries.

/// A user a command runs as.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: Vec<u8>,
}

/// Finds the user. Fails, in words, on a name that the files do not have; a number need not be in them.
pub fn find(wanted: &str, passwd: &[u8], group: &[u8]) -> Result<User, String> {
    let (name, wanted_group) = match wanted.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let number: Option<u32> = name.parse().ok();
    let entry = lines(passwd).find(|fields| match number {
        Some(number) => field_number(fields, 2) == Some(number),
        None => fields.first() == Some(&name.as_bytes()),
    });
    let mut user = match (&entry, number) {
        (Some(fields), _) => User {
            uid: field_number(fields, 2)
                .ok_or_else(|| format!("user `{name}` has no number in /etc/passwd"))?,
            gid: field_number(fields, 3).unwrap_or(0),
            groups: Vec::new(),
            home: fields
                .get(5)
                .map_or_else(|| b"/".to_vec(), |home| home.to_vec()),
        },
        (None, Some(uid)) => User {
            uid,
            gid: 0,
            groups: Vec::new(),
            home: b"/".to_vec(),
        },
        (None, None) => return Err(format!("no user `{name}` in /etc/passwd")),
    };
    if let Some(wanted_group) = wanted_group {
        let number: Option<u32> = wanted_group.parse().ok();
        let found = lines(group)
            .find(|fields| fields.first() == Some(&wanted_group.as_bytes()))
            .and_then(|fields| field_number(&fields, 2));
        user.gid = number
            .or(found)
            .ok_or_else(|| format!("no group `{wanted_group}` in /etc/group"))?;
    } else if let Some(login) = entry.as_ref().and_then(|fields| fields.first()) {
        user.groups = lines(group)
            .filter(|fields| {
                fields.get(3).is_some_and(|members| {
                    members
                        .split(|byte| *byte == b',')
                        .any(|member| member == *login)
                })
            })
            .filter_map(|fields| field_number(&fields, 2))
            .collect();
    }
    Ok(user)
}

/// The home directory of a user number.
pub fn home(uid: u32, passwd: &[u8]) -> Option<Vec<u8>> {
    lines(passwd)
        .find(|fields| field_number(fields, 2) == Some(uid))
        .and_then(|fields| fields.get(5).map(|home| home.to_vec()))
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| line.split(|byte| *byte == b':').collect())
}

fn field_number(fields: &[&[u8]], index: usize) -> Option<u32> {
    std::str::from_utf8(fields.get(index)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\n# a comment\napp:x:1000:1001::/home/app:/bin/sh\n";
    const GROUP: &[u8] =
        b"root:x:0:\napp:x:1001:\naudio:x:29:app,other\nvideo:x:44:other\ndocker:x:999:other,app\n";

    fn found(wanted: &str) -> String {
        match find(wanted, PASSWD, GROUP) {
            Ok(user) => format!(
                "{}:{} {:?} {}",
                user.uid,
                user.gid,
                user.groups,
                String::from_utf8_lossy(&user.home)
            ),
            Err(text) => text,
        }
    }

    #[test]
    fn a_user_is_found_as_the_engine_finds_it() {
        assert_eq!(found("app"), "1000:1001 [29, 999] /home/app");
        assert_eq!(found("1000"), "1000:1001 [29, 999] /home/app");
        assert_eq!(found("1234"), "1234:0 [] /");
        assert_eq!(found("app:audio"), "1000:29 [] /home/app");
        assert_eq!(found("app:44"), "1000:44 [] /home/app");
        assert_eq!(found("1234:4321"), "1234:4321 [] /");
        assert_eq!(found("root"), "0:0 [] /root");
        assert_eq!(found("nobody"), "no user `nobody` in /etc/passwd");
        assert_eq!(found("app:wheel"), "no group `wheel` in /etc/group");
    }
}
