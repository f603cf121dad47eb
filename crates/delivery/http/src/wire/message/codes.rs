//! The codes of broken rules of a message.

use posthorn_domain::{AttributeError, Attributes, ContentError, ContentRules};

use crate::wire::problem::FieldCode;

/// The code of a rule on the text.
pub(super) fn content_code(error: ContentError, rules: &ContentRules) -> FieldCode {
    match error {
        ContentError::Empty | ContentError::TooLong { .. } => FieldCode::Length {
            min: 1,
            max: rules.max_length,
        },
        ContentError::ControlCharacter(_) => FieldCode::ControlCharacter,
        ContentError::OutsideCharset(_) => FieldCode::Charset,
    }
}

/// The code of a rule on the attributes.
pub(super) fn attribute_code(error: &AttributeError) -> FieldCode {
    match error {
        AttributeError::TooMany => FieldCode::TooMany {
            max: Attributes::MAX_ENTRIES,
        },
        AttributeError::Key => FieldCode::KeyPattern,
        AttributeError::ValueLength => FieldCode::Length {
            min: 0,
            max: Attributes::MAX_VALUE_LENGTH,
        },
        AttributeError::ValueControlCharacter(_) => FieldCode::ControlCharacter,
    }
}
