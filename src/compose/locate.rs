//! Finds the line and column of a path in the text of one YAML file. Knows nothing of Compose.
//!
//! The YAML library has no spans, but an error raised while it reads carries its location: we walk to the path and raise one there.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::finding::Seg;

/// Line and column (both from 1) of the value at `path` in the `document`-th document of `text`, or of its key.
pub fn locate(text: &str, document: usize, path: &[Seg], on_key: bool) -> Option<(usize, usize)> {
    let reader = serde_yaml::Deserializer::from_str(text).nth(document)?;
    let error = Walk { path, on_key }.deserialize(reader).err()?;
    // Any other error (of a broken file, for example) has another location.
    if !error.to_string().contains(HERE) {
        return None;
    }
    let location = error.location()?;
    Some((location.line(), location.column()))
}

const HERE: &str = "\u{1}here";

struct Walk<'p> {
    path: &'p [Seg],
    on_key: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            reader.deserialize_any(Stop)
        } else {
            reader.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the way to a place")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.path.split_first() {
            Some((Seg::Key(key), rest)) => (Some(key), rest),
            _ => (None, self.path),
        };
        let stop_at_key = self.on_key && rest.is_empty();
        while let Some(hit) = map.next_key_seed(Key {
            wanted,
            stop_at_key,
        })? {
            if hit {
                map.next_value_seed(Walk {
                    path: rest,
                    on_key: self.on_key,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.path.split_first() {
            Some((Seg::Index(index), rest)) => (Some(*index), rest),
            _ => (None, self.path),
        };
        let mut index = 0;
        loop {
            let more = if Some(index) == wanted {
                items
                    .next_element_seed(Walk {
                        path: rest,
                        on_key: self.on_key,
                    })?
                    .is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant_seed(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

/// Deserializes a key and compares it with the wanted one.
struct Key<'p> {
    wanted: Option<&'p String>,
    stop_at_key: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_any(self)
    }
}

impl Key<'_> {
    fn hit<E: de::Error>(&self, key: &str) -> Result<bool, E> {
        let hit = self.wanted.is_some_and(|wanted| wanted == key);
        if hit && self.stop_at_key {
            return Err(E::custom(HERE));
        }
        Ok(hit)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        self.hit(key)
    }
    fn visit_bool<E: de::Error>(self, key: bool) -> Result<bool, E> {
        self.hit(&key.to_string())
    }
    fn visit_i64<E: de::Error>(self, key: i64) -> Result<bool, E> {
        self.hit(&key.to_string())
    }
    fn visit_u64<E: de::Error>(self, key: u64) -> Result<bool, E> {
        self.hit(&key.to_string())
    }
    fn visit_f64<E: de::Error>(self, key: f64) -> Result<bool, E> {
        self.hit(&key.to_string())
    }
    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| false)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_map(map).map(|_| false)
    }
}

/// Raises the error whose location we want.
struct Stop;

impl<'de> Visitor<'de> for Stop {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(HERE)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(HERE))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(de::Error::custom(HERE))
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(de::Error::custom(HERE))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(de::Error::custom(HERE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
x: &steps
  - sync: ./a:/b
  - run: {cmd: x, triger: y}
services:
  web:
    x-live-update: *steps
  api:
    x-live-update: !override
      - sync: ./c:/d
  3: {tty: true}
---
services:
  web: {image: second}
";

    fn at(path: &str, on_key: bool) -> Option<(usize, usize)> {
        at_document(0, path, on_key)
    }

    fn at_document(document: usize, path: &str, on_key: bool) -> Option<(usize, usize)> {
        let path: Vec<Seg> = path
            .split('/')
            .map(|part| match part.strip_prefix('#') {
                Some(index) => Seg::Index(index.parse().unwrap()),
                None => Seg::Key(part.to_owned()),
            })
            .collect();
        locate(TEXT, document, &path, on_key)
    }

    #[test]
    fn a_key_and_its_value_have_places_of_their_own() {
        assert_eq!(at("services/web", true), Some((5, 3)));
        assert_eq!(at("services/3/tty", false), Some((10, 12)));
    }

    #[test]
    fn an_alias_leads_to_where_the_value_was_written() {
        assert_eq!(
            at("services/web/x-live-update/#0/sync", false),
            Some((2, 11))
        );
        assert_eq!(
            at("services/web/x-live-update/#1/run/triger", true),
            Some((3, 19))
        );
    }

    #[test]
    fn a_tag_is_no_obstacle() {
        assert_eq!(
            at("services/api/x-live-update/#0/sync", false),
            Some((9, 15))
        );
    }

    #[test]
    fn every_document_of_a_file_is_reached() {
        assert_eq!(at_document(1, "services/web/image", false), Some((13, 16)));
    }

    #[test]
    fn what_is_not_there_has_no_place() {
        assert_eq!(at("services/db", false), None);
        assert_eq!(at("services/web/x-live-update/#7", false), None);
        assert_eq!(locate(": : [", 0, &[Seg::Index(0)], false), None);
    }
}
