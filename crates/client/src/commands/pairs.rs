//! Options that are given several times, as names with values.

use std::collections::BTreeMap;

use crate::error::ClientError;

/// The values of `option` by name.
///
/// # Errors
/// A name that is given twice: one of its values would be dropped.
pub(super) fn unique(
    option: &'static str,
    pairs: &[(String, String)],
) -> Result<BTreeMap<String, String>, ClientError> {
    let mut unique = BTreeMap::new();
    for (name, value) in pairs {
        if unique.insert(name.clone(), value.clone()).is_some() {
            let name = name.clone();
            return Err(ClientError::Repeated { option, name });
        }
    }
    Ok(unique)
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use clap::{Args, Command};

    use crate::commands::send::SendArguments;
    use crate::commands::webhook::PutWebhookArguments;
    use crate::error::ClientError;

    fn parse<T: Args>(line: &str) -> T {
        let command = T::augment_args(Command::new("posthorn"));
        let matches = command.get_matches_from(line.split(' '));
        T::from_arg_matches(&matches).unwrap()
    }

    #[track_caller]
    fn assert_repeated<T>(outcome: Result<T, ClientError>, expected: &str) {
        let error = outcome.err().expect("a name is given twice");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), ExitCode::from(2));
    }

    #[test]
    fn a_name_that_is_given_twice_is_an_error() {
        let send: SendArguments = parse("posthorn hi --attribute a=1 --attribute b=2");
        assert_eq!(send.draft().unwrap().attributes.len(), 2);
        let send: SendArguments = parse("posthorn hi --attribute a=1 --attribute a=2");
        assert_repeated(send.draft(), "--attribute a: it is given twice");
        let put: PutWebhookArguments =
            parse("posthorn t w https://a.test/ --header A=1 --header A=2");
        assert_repeated(put.draft(), "--header A: it is given twice");
    }
}
