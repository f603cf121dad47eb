//! The topics: their number, and pages of them.

use posthorn_application::{StoreIdentity, StoreUsage, TopicPage, TopicRequest, TopicSummary};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row};

use super::id;

/// The number of topics with a message or a consumer.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    // Counts that read no row of a topic: of all entries of an index, less those of the empty topics' index.
    let select = "SELECT (SELECT count(*) FROM topics) \
                  - (SELECT count(*) FROM topics WHERE message_count = 0) \
                  + (SELECT count(DISTINCT topic_id) FROM consumers JOIN topics USING (topic_id) \
                     WHERE message_count = 0)";
    let mut select = connection.prepare_cached(select)?;
    let count: i64 = select.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A number that [`count`] does not exceed, found by one look: the keys of topics begin at 1, and each is of one topic.
pub(crate) fn at_most(connection: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT coalesce(max(topic_id), 0) FROM topics";
    let mut select = connection.prepare_cached(select)?;
    let greatest: i64 = select.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(greatest).unwrap_or(u64::MAX))
}

/// The number of topics, and the bytes of the file without its free pages.
pub(crate) fn usage(connection: &Connection) -> rusqlite::Result<StoreUsage> {
    let number = |name| {
        let number = connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        number.map(u64::from)
    };
    let identity = "SELECT value FROM counters WHERE name = 'identity'";
    let identity = connection
        .query_row(identity, [], |row| row.get::<_, i64>(0))
        .optional()?;
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(StoreUsage {
        topics: count(connection)?,
        bytes: Some(pages.saturating_mul(number("page_size")?)),
        identity: identity.map(|number| StoreIdentity::new(number.cast_unsigned())),
    })
}

/// The topics in a range of names that have a message, by name.
const PAGE: &str = "SELECT name, message_count, \
    (SELECT ms FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms, seq LIMIT 1), \
    (SELECT seq FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms, seq LIMIT 1), \
    (SELECT ms FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms DESC, seq DESC LIMIT 1), \
    (SELECT seq FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms DESC, seq DESC LIMIT 1) \
    FROM topics t WHERE name >= ?1 AND name < ?2 AND message_count > 0 ORDER BY name";

/// The topics of a page, by name.
pub(crate) fn page(connection: &Connection, request: &TopicRequest) -> rusqlite::Result<TopicPage> {
    let snapshot = connection.unchecked_transaction()?;
    let limit = request.limit.get();
    let mut select = snapshot.prepare_cached(PAGE)?;
    let mut page = TopicPage::default();
    for names in request.names.as_slice() {
        let mut rows = select.query((&names.start, &names.end))?;
        // The rows are read one by one, as many as needed: one that is damaged hides only itself.
        while let Some(row) = rows.next()? {
            match summary(row) {
                Ok(_) if page.topics.len() == limit => {
                    page.has_more = true;
                    return Ok(page);
                }
                Ok(summary) => page.topics.push(summary),
                Err(error) if error.sqlite_error_code().is_some() => return Err(error),
                Err(error) => tracing::debug!(%error, "skipping a damaged topic"),
            }
        }
    }
    Ok(page)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<TopicSummary> {
    let topic = row
        .get_ref(0)?
        .as_str()?
        .parse()
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    Ok(TopicSummary {
        topic,
        count: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        first: id((row.get(2)?, row.get(3)?)),
        last: id((row.get(4)?, row.get(5)?)),
    })
}

#[cfg(test)]
mod tests {
    use posthorn_application::PageLimit;
    use posthorn_domain::{TopicPattern, TopicRanges};
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn topics_outside_the_ranges_are_not_read() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&mut connection).unwrap();
        let filled = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
            SELECT n + 1 FROM numbers WHERE n < 5000) \
            INSERT INTO topics (topic_id, name, message_count) \
            SELECT n, printf('t%04d', n), 1 FROM numbers; \
            INSERT INTO messages SELECT topic_id, 1, topic_id, 'text', NULL, NULL, NULL, NULL FROM topics";
        connection.execute_batch(filled).unwrap();
        let read = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|text| TopicPattern::parse(text));
            let patterns: Vec<_> = patterns.collect::<Result<_, _>>().unwrap();
            let request = TopicRequest {
                names: TopicRanges::covering(&patterns),
                limit: PageLimit::MAX,
            };
            let page = page(&connection, &request).unwrap();
            let statement = connection.prepare_cached(PAGE).unwrap();
            let names = page.topics.iter().map(|summary| summary.topic.to_string());
            let steps = statement.reset_status(StatementStatus::VmStep);
            (names.collect::<Vec<_>>(), steps)
        };
        let (names, steps) = read(&["t4999", "t123*", "other"]);
        let in_prefix = (1230..1240).map(|number| format!("t{number}"));
        let expected: Vec<_> = in_prefix.chain(["t4999".to_owned()]).collect();
        assert_eq!(names, expected);
        assert!(steps < 1_000, "{steps} steps");
        let (all, steps_for_all) = read(&["*"]);
        assert_eq!(all.len(), 200);
        assert!(steps_for_all > 5 * steps, "{steps_for_all} steps");
    }
}
