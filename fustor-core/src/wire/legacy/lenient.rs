//! Reading JSON of which a part may be of another type than wanted: that part is nothing, what surrounds it goes on.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What reads an object or a list. The other, and every single value, is read to its end and gives nothing.
pub(super) trait Shape<'de>: Sized {
    /// What it makes of it.
    type Value;

    /// Reads an object.
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Self::Value>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Reads a list.
    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Self::Value>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Applies a [`Shape`] to whatever stands there.
pub(super) struct Lenient<T>(pub(super) T);

impl<'de, T: Shape<'de>> DeserializeSeed<'de> for Lenient<T> {
    type Value = Option<T::Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Shape<'de>> Visitor<'de> for Lenient<T> {
    type Value = Option<T::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        self.0.list(seq)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A key of an object, as one of ours.
pub(super) trait Key {
    /// Ours for this word; every word has one.
    fn of(word: &str) -> Self;
}

/// Reads a [`Key`].
pub(super) struct Name<K>(PhantomData<K>);

impl<K> Name<K> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, K: Key> DeserializeSeed<'de> for Name<K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<K, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<K: Key> Visitor<'_> for Name<K> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, word: &str) -> Result<K, E> {
        Ok(K::of(word))
    }
}
