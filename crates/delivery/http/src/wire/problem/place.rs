//! The place of what is wrong in a JSON body.

use std::str::Utf8Error;

use super::{ApiError, Code};

impl ApiError {
    /// The error of a body that is not JSON, with the place; `error` is of the body as a whole.
    pub(crate) fn malformed_json(error: &serde_json::Error) -> Self {
        Self::malformed_at(error.line(), error.column())
    }

    /// The error of a JSON body that is not UTF-8, with the place of the first wrong byte.
    pub(crate) fn json_not_utf_8(bytes: &[u8], error: Utf8Error) -> Self {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let lines = || valid.split(|byte| *byte == b'\n');
        Self::malformed_at(
            lines().count(),
            lines().next_back().map_or(0, <[u8]>::len) + 1,
        )
    }

    /// The error of a JSON body with its place; byte 0 is the end of the line before.
    fn malformed_at(line: usize, byte: usize) -> Self {
        let (russian, english) = if byte == 0 && line > 1 {
            let line = line - 1;
            (
                format!("в конце строки {line}"),
                format!("at the end of line {line}"),
            )
        } else {
            // An empty body has no byte.
            let byte = byte.max(1);
            (
                format!("в строке {line}, байт {byte}"),
                format!("in line {line}, byte {byte}"),
            )
        };
        Self::new(Code::MalformedJson).with_detail(
            format!(
                "Тело запроса должно быть в формате JSON и в кодировке UTF-8: ошибка {russian}."
            ),
            format!("The request body must be JSON in UTF-8: error {english}."),
        )
    }
}
