//! The response of a collector: `ExportTraceServiceResponse` and those of other signals, which have
//! the same form.

use super::protobuf::{Field, Reader};

// Field numbers, which are the same for all signals.
const PARTIAL_SUCCESS: u64 = 1;
const REJECTED: u64 = 1;
const ERROR_MESSAGE: u64 = 2;

/// The number of items of a batch that the collector rejected, and its reason. A message without
/// rejected items is a warning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) items: usize,
    pub(super) message: String,
}

impl Rejected {
    /// Reads a response. A response that cannot be read rejects nothing, because the collector
    /// accepted the items.
    pub(super) fn read(answer: &[u8]) -> Self {
        Self::of(answer).unwrap_or_default()
    }

    fn of(answer: &[u8]) -> Option<Self> {
        let mut rejected = Self::default();
        let mut answer = Reader::new(answer);
        while let Some((number, field)) = answer.next()? {
            if let (PARTIAL_SUCCESS, Field::Bytes(partial)) = (number, field) {
                rejected.partial_success(partial)?;
            }
        }
        Some(rejected)
    }

    fn partial_success(&mut self, message: &[u8]) -> Option<()> {
        let mut message = Reader::new(message);
        while let Some((number, field)) = message.next()? {
            match (number, field) {
                (REJECTED, Field::Number(items)) => {
                    // A negative number is invalid and counts as zero.
                    let items = u64::try_from(items.cast_signed()).unwrap_or_default();
                    self.items = usize::try_from(items).unwrap_or(usize::MAX);
                }
                (ERROR_MESSAGE, Field::Bytes(text)) => {
                    self.message = String::from_utf8_lossy(text).into_owned()
                }
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(all(test, feature = "otel"))]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    proptest! {
        #[test]
        fn responses_that_prost_encodes_are_read(rejected_spans in any::<i64>(), error_message in ".{0,200}", any in any::<bool>()) {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: error_message.clone() };
            let response = ExportTraceServiceResponse { partial_success: any.then_some(partial) };
            let expected = Rejected {
                items: usize::try_from(rejected_spans).unwrap_or_default(),
                message: error_message,
            };
            let read = Rejected::read(&response.encode_to_vec());
            prop_assert_eq!(read, if any { expected } else { Rejected::default() });
        }

        #[test]
        fn any_bytes_are_accepted(answer in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Rejected::read(&answer);
        }
    }
}
