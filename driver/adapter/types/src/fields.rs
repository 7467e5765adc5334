//! Headers and trailers: `wasi:http/types.fields`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::guest::{self, HeaderError};

pub type Entries = Vec<(String, Vec<u8>)>;

/// Fields that belong to one connection, or that the host sets: no guest may set them.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// A list of fields; several resources may share one that can no longer change.
pub struct Fields {
    entries: Rc<RefCell<Entries>>,
    immutable: bool,
}

impl Fields {
    /// Wraps fields the guest may read but not change.
    pub fn immutable(entries: Rc<RefCell<Entries>>) -> guest::Fields {
        guest::Fields::new(Fields { entries, immutable: true })
    }

    fn mutable(entries: Entries) -> guest::Fields {
        guest::Fields::new(Fields { entries: Rc::new(RefCell::new(entries)), immutable: false })
    }

    /// Takes a guest's fields for a message to be sent.
    ///
    /// A copy of received fields may hold forbidden ones, which are left out.
    pub fn to_send(fields: guest::Fields) -> Rc<RefCell<Entries>> {
        let fields = fields.into_inner::<Fields>();
        let entries = match Rc::try_unwrap(fields.entries) {
            Ok(entries) => entries.into_inner(),
            Err(shared) => shared.borrow().clone(),
        };
        Rc::new(RefCell::new(entries.into_iter().filter(|(name, _)| !is_forbidden(name)).collect()))
    }

    fn change(&self, name: &str, values: &[Vec<u8>]) -> Result<std::cell::RefMut<'_, Entries>, HeaderError> {
        if self.immutable {
            return Err(HeaderError::Immutable);
        }
        check(name, values)?;
        Ok(self.entries.borrow_mut())
    }
}

impl guest::GuestFields for Fields {
    fn new() -> Self {
        Fields { entries: Rc::default(), immutable: false }
    }

    fn from_list(entries: Entries) -> Result<guest::Fields, HeaderError> {
        for (name, value) in &entries {
            check(name, std::slice::from_ref(value))?;
        }
        Ok(Fields::mutable(entries))
    }

    fn get(&self, name: String) -> Vec<Vec<u8>> {
        let entries = self.entries.borrow();
        entries
            .iter()
            .filter(|entry| entry.0.eq_ignore_ascii_case(&name))
            .map(|entry| entry.1.clone())
            .collect()
    }

    fn has(&self, name: String) -> bool {
        self.entries.borrow().iter().any(|entry| entry.0.eq_ignore_ascii_case(&name))
    }

    fn set(&self, name: String, values: Vec<Vec<u8>>) -> Result<(), HeaderError> {
        let mut entries = self.change(&name, &values)?;
        entries.retain(|entry| !entry.0.eq_ignore_ascii_case(&name));
        entries.extend(values.into_iter().map(|value| (name.clone(), value)));
        Ok(())
    }

    fn delete(&self, name: String) -> Result<(), HeaderError> {
        self.change(&name, &[])?.retain(|entry| !entry.0.eq_ignore_ascii_case(&name));
        Ok(())
    }

    fn append(&self, name: String, value: Vec<u8>) -> Result<(), HeaderError> {
        self.change(&name, std::slice::from_ref(&value))?.push((name, value));
        Ok(())
    }

    fn entries(&self) -> Entries {
        self.entries.borrow().clone()
    }

    fn clone(&self) -> guest::Fields {
        Fields::mutable(self.entries.borrow().clone())
    }
}

fn check(name: &str, values: &[Vec<u8>]) -> Result<(), HeaderError> {
    if !is_token(name) || !values.iter().all(|value| is_field_value(value)) {
        return Err(HeaderError::InvalidSyntax);
    }
    if is_forbidden(name) {
        return Err(HeaderError::Forbidden);
    }
    Ok(())
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(name))
}

/// Tells whether a name is a token of RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Tells whether a value has no control characters but tabs: RFC 9110, section 5.5.
fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens() {
        assert!(is_token("x-Some_header.1"));
        for name in ["", "a b", "a:b", "a\r", "ä"] {
            assert!(!is_token(name), "{name:?}");
        }
    }

    #[test]
    fn values_have_no_line_ends() {
        assert!(is_field_value(b"caf\xc3\xa9 \xff\t"));
        assert!(is_field_value(b""));
        for value in [&b"a\r\nb"[..], b"\0", b"\x7f"] {
            assert!(!is_field_value(value), "{value:?}");
        }
    }

    #[test]
    fn connection_fields_are_forbidden() {
        assert!(matches!(check("Transfer-Encoding", &[]), Err(HeaderError::Forbidden)));
        assert!(check("te", &[]).is_ok());
    }
}
