//! The ids of traces and spans, and the flags of a trace.

use std::fmt;

use crate::{base::random, write::hex};

/// A text of `N` hexadecimal digits, without allocation.
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> AsRef<[u8]> for Hex<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> std::ops::Deref for Hex<N> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $hex:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Creates an id from bytes; `None` if all of them are 0, which W3C forbids.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
            }

            /// The bytes of the id, in the order in which they are written.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }

            /// Creates a random id.
            #[inline]
            pub(crate) fn random() -> Self {
                loop {
                    let mut bytes = [0; $bytes];
                    random::fill(&mut bytes);
                    if let Some(id) = Self::from_bytes(bytes) {
                        return id;
                    }
                }
            }
        }

        impl $name {
            /// Returns the lower-case hexadecimal digits of the id.
            pub(crate) fn hex(&self) -> Hex<$hex> {
                Hex(hex::encode(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// The id of a trace: 16 bytes, not all 0.
    ///
    /// ```
    /// use obs_core::trace::TraceId;
    /// let id = TraceId::from_bytes([1; 16]).unwrap();
    /// assert_eq!(id.to_string(), "01010101010101010101010101010101");
    /// assert!(TraceId::from_bytes([0; 16]).is_none());
    /// ```
    TraceId, 16, 32
}

id! {
    /// The id of a span, which W3C calls parent-id: 8 bytes, not all 0.
    ///
    /// ```
    /// use obs_core::trace::SpanId;
    /// assert_eq!(SpanId::from_bytes([10; 8]).unwrap().to_string(), "0a0a0a0a0a0a0a0a");
    /// ```
    SpanId, 8, 16
}

/// The flags of a trace context (Trace Context level 2, §3.2.2.5).
///
/// ```
/// use obs_core::trace::TraceFlags;
/// assert!(TraceFlags::SAMPLED.is_sampled());
/// assert!(!TraceFlags::SAMPLED.is_random());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(pub(super) u8);

impl TraceFlags {
    /// The flag of a trace that the caller may have recorded.
    pub const SAMPLED: Self = Self(0b01);
    /// The flag of a trace id whose last 7 bytes are random.
    pub const RANDOM: Self = Self(0b10);

    /// Creates flags from a byte. Only the two known flags are kept, because others must be sent as
    /// 0.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// Sets or resets the sampled flag.
    #[cfg(feature = "otel")]
    pub(crate) const fn with_sampled(self, sampled: bool) -> Self {
        if sampled { Self(self.0 | Self::SAMPLED.0) } else { Self(self.0 & !Self::SAMPLED.0) }
    }

    /// Returns the flags as they are sent.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Returns `true` if the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Returns `true` if the last 7 bytes of the trace id are random.
    #[must_use]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }
}

/// A span of another service, as in a `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteSpan {
    /// The trace of the span.
    pub trace_id: TraceId,
    /// The id of the span.
    pub span_id: SpanId,
    /// The flags of the trace.
    pub flags: TraceFlags,
}
