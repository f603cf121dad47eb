//! The lease tokens of one call.

use super::token::LeaseToken;

/// 1 to 200 texts that a worker sent as lease tokens, each once, in the order of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseBatch {
    texts: Vec<String>,
    /// The token of each text; `None` for a text that is no token.
    tokens: Vec<Option<LeaseToken>>,
}

/// A call has no lease tokens, or more than 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of 1 to {} leases", LeaseBatch::MAX_LENGTH)]
pub struct LeaseBatchError;

impl LeaseBatch {
    /// The most tokens of one call, repeated ones included.
    pub const MAX_LENGTH: usize = 200;

    /// Keeps the first of equal texts. A text that is no token is kept: it is stale.
    pub fn parse(mut texts: Vec<String>) -> Result<Self, LeaseBatchError> {
        if !(1..=Self::MAX_LENGTH).contains(&texts.len()) {
            return Err(LeaseBatchError);
        }
        let mut seen = std::collections::HashSet::with_capacity(texts.len());
        let is_first: Vec<bool> = texts.iter().map(|text| seen.insert(text.clone())).collect();
        let mut is_first = is_first.into_iter();
        texts.retain(|_| is_first.next().unwrap_or(true));
        let tokens = texts.iter().map(|text| LeaseToken::parse(text)).collect();
        Ok(Self { texts, tokens })
    }

    /// The tokens, without the texts that are none.
    pub fn tokens(&self) -> Vec<LeaseToken> {
        self.tokens.iter().flatten().copied().collect()
    }

    /// The texts that are no token, or whose token is not valid. `valid` has one flag for each of
    /// [`LeaseBatch::tokens`], in that order; a missing flag counts as `false`.
    pub fn into_stale(self, valid: &[bool]) -> Vec<String> {
        let mut valid = valid.iter();
        let texts = self.texts.into_iter().zip(self.tokens);
        texts
            .filter(|(_, token)| token.is_none() || !valid.next().is_some_and(|valid| *valid))
            .map(|(text, _)| text)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{Attempt, LeaseNonce};
    use crate::message_id::MessageId;

    fn text(bits: u64) -> String {
        let (id, attempt, nonce) = (MessageId::MIN, Attempt::FIRST, LeaseNonce::from_bits(bits));
        LeaseToken { id, attempt, nonce }.to_string()
    }

    #[test]
    fn a_repeated_text_counts_once() {
        let texts = vec![text(1), "x".into(), text(2), text(1), "x".into()];
        let batch = LeaseBatch::parse(texts).unwrap();
        assert_eq!(batch.tokens().len(), 2);
        assert_eq!(batch.into_stale(&[true, true]), ["x"]);
    }

    #[test]
    fn stale_texts_keep_the_order_of_the_call() {
        let texts = vec!["y".into(), text(1), text(2), "x".into(), text(3)];
        let batch = LeaseBatch::parse(texts).unwrap();
        let stale = batch.clone().into_stale(&[false, true, false]);
        assert_eq!(stale, ["y".into(), text(1), "x".into(), text(3)]);
        assert_eq!(batch.into_stale(&[]).len(), 5);
    }

    #[test]
    fn a_call_has_one_to_two_hundred() {
        assert_eq!(LeaseBatch::parse(vec![]), Err(LeaseBatchError));
        assert_eq!(LeaseBatch::parse(vec![text(1); 201]), Err(LeaseBatchError));
        assert!(LeaseBatch::parse(vec![text(1); 200]).is_ok());
    }
}
