//! `posthorn topics`, `list`, `get` and `delete`: what a server has stored.

mod arguments;

use std::io::{self, Write};

use crate::api::{BulkDeleteResult, MAX_PAGE, MessagePage, PageCursor, PageQuery};
use crate::console::{escape_control, print_error, report_damaged};
use crate::error::ClientError;

use super::describe;
use super::message_line::message_line;
use super::shared::show;

use arguments::Deletion;
pub(super) use arguments::{DeleteArguments, GetArguments, ListArguments, TopicsArguments};

/// Prints all topics, page by page.
pub(super) async fn topics(arguments: &TopicsArguments) -> Result<String, ClientError> {
    let client = arguments.server.client()?;
    let mut after = None;
    let mut has_header = arguments.json;
    loop {
        let page = client.list_topics(after.as_deref()).await?;
        let mut text = String::new();
        if !std::mem::replace(&mut has_header, true) {
            text.push_str(&describe::topic_header());
        }
        for topic in &page.topics {
            text.push_str(&show(topic, arguments.json, describe::topic));
        }
        let next = page.next_after();
        // A server that returns the same cursor again would be asked for ever.
        if !write_output(&text)? || next.is_none() || next == after {
            return Ok(String::new());
        }
        after = next;
    }
}

/// Prints messages, page by page, up to the limit.
pub(super) async fn list(arguments: &ListArguments) -> Result<String, ClientError> {
    let client = arguments.server.client()?;
    let mut query = PageQuery {
        cursor: arguments.cursor(),
        newest_first: arguments.newest_first(),
        limit: 0,
    };
    let mut left = arguments.limit();
    loop {
        query.limit = left.min(MAX_PAGE);
        let page = client.list_messages(&arguments.topic, &query).await?;
        report_losses(&page);
        let mut text = String::new();
        for message in &page.messages {
            text.push_str(&message_line(message, arguments.json).map_err(ClientError::local)?);
        }
        let printed = u32::try_from(page.messages.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(printed);
        let next = page
            .next_cursor()
            .filter(|next| query.cursor.as_ref() != Some(next));
        if !write_output(&text)? {
            return Ok(String::new());
        }
        match next {
            Some(next) if left > 0 => query.cursor = Some(next),
            Some(next) => {
                report_next(&next);
                return Ok(String::new());
            }
            None => return Ok(String::new()),
        }
    }
}

/// Returns the text for one message.
pub(super) async fn get(arguments: &GetArguments) -> Result<String, ClientError> {
    let client = arguments.server.client()?;
    let message = client.get_message(&arguments.topic, arguments.id).await?;
    Ok(show(&message, arguments.json, describe::object))
}

/// Deletes one message, or all that are older than one; returns how many, of many.
pub(super) async fn delete(arguments: &DeleteArguments) -> Result<String, ClientError> {
    let deletion = arguments.deletion()?;
    let (client, topic) = (arguments.server.client()?, &arguments.topic);
    let before = match deletion {
        Deletion::One(id) => {
            client.delete_message(topic, id).await?;
            return Ok(String::new());
        }
        Deletion::Before(id) => id,
    };
    let mut deleted: u64 = 0;
    loop {
        let step = client.delete_before(topic, before).await;
        let step: BulkDeleteResult = step.inspect_err(|_| report_deleted(deleted))?;
        deleted = deleted.saturating_add(step.deleted);
        // A server that deletes nothing and promises more would be asked for ever.
        if !step.more || step.deleted == 0 {
            return Ok(format!("deleted {deleted}\n"));
        }
    }
}

/// Prints how many messages were deleted before an error, on standard error.
fn report_deleted(deleted: u64) {
    if deleted > 0 {
        print_error(&format!("deleted {deleted} messages before the error"));
    }
}

/// Reports what a page lacks, on standard error.
pub(super) fn report_losses(page: &MessagePage) {
    if page.truncated {
        print_error("a gap: messages before the first one were removed or lost");
    }
    report_damaged(page.unreadable.iter().map(String::as_str));
}

/// Prints the options that list the next page, on standard error.
fn report_next(next: &PageCursor) {
    let options = match next {
        PageCursor::After(id) => format!("--after {id}"),
        PageCursor::Before(id) => format!("--newest --before {id}"),
        PageCursor::Since(time) => format!("--since {time}"),
    };
    let options = escape_control(&options);
    print_error(&format!("there are more messages: {options}"));
}

/// Writes to standard output; false if its reader is gone.
fn write_output(text: &str) -> Result<bool, ClientError> {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(ClientError::Local(format!("standard output: {error}"))),
    }
}
