//! What an address names and the server does not have.

/// Why nothing is at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    /// No topic can have the name.
    TopicName,
    /// No consumer and no webhook can have the name.
    ConsumerName,
    /// No message can have the id.
    MessageId,
    /// The topic does not hold the message.
    Message,
    /// The topic has no consumer or webhook of the name.
    Consumer,
    /// The message is no dead letter of the consumer or webhook.
    DeadLetter,
}

impl Missing {
    /// The detail in Russian and in English.
    pub(super) const fn detail(self) -> (&'static str, &'static str) {
        match self {
            Self::TopicName => (
                "Таких имён тем не бывает: от 1 до 64 символов a-z, 0-9, «.», «_» и «-», первый — буква или цифра.",
                "No topic can have this name: 1 to 64 of a-z, 0-9, \".\", \"_\" and \"-\", first a letter or a digit.",
            ),
            Self::ConsumerName => (
                "Таких имён потребителей и вебхуков не бывает: от 1 до 64 символов a-z, 0-9, «.», «_» и «-», первый — \
                 буква или цифра.",
                "No consumer or webhook can have this name: 1 to 64 of a-z, 0-9, \".\", \"_\" and \"-\", first a letter or \
                 a digit.",
            ),
            Self::MessageId => (
                "Таких идентификаторов сообщений не бывает: нужны 26 символов, как в ответе на отправку.",
                "No message can have this id: it has 26 characters, as in a receipt.",
            ),
            Self::Message => (
                "В теме нет сообщения с этим идентификатором.",
                "The topic has no message with this id.",
            ),
            Self::Consumer => (
                "В теме нет потребителя или вебхука с этим именем.",
                "The topic has no consumer or webhook of this name.",
            ),
            Self::DeadLetter => (
                "Среди недоставленных нет сообщения с этим идентификатором.",
                "No dead letter has this id.",
            ),
        }
    }
}
