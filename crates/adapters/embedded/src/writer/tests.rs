//! The settings of the connection: after a read that failed, and for what needs no sync.

use std::sync::atomic::AtomicU32;

use posthorn_testkit::FakeClock;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::consumer_call::ClosureCall;
use crate::open::open_writer;
use crate::settings::EmbeddedStoreSettings;

const PAGES: i64 = 256;

fn writer(directory: &TempDir) -> StoreWriter {
    let settings = EmbeddedStoreSettings {
        max_bytes: Some(256 * 4096),
        ..EmbeddedStoreSettings::new(directory.path().join("posthorn.db"))
    };
    let clock = Arc::new(FakeClock::new()) as Arc<dyn Clock>;
    let guarded = Arc::new(GuardedClock::new(Arc::clone(&clock), None));
    let opened = open_writer(&settings).unwrap();
    let clocks = (clock, guarded);
    let (notifiers, failing) = (Notifiers::default(), Arc::default());
    StoreWriter::new(opened, Durability::Synced, clocks, notifiers, failing).unwrap()
}

/// Fails the first change of the setting `denied`.
fn deny(writer: &mut StoreWriter, denied: &'static str) {
    let seen = AtomicU32::new(0);
    let hook = move |context: AuthContext<'_>| match context.action {
        AuthAction::Pragma {
            pragma_name,
            pragma_value: Some(_),
        } if pragma_name == denied && seen.fetch_add(1, Ordering::Relaxed) == 0 => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    };
    writer.connection.authorizer(Some(hook)).unwrap();
}

#[test]
fn a_read_that_cannot_change_a_setting_leaves_both_as_they_were() {
    for denied in ["cache_spill", "max_page_count"] {
        let directory = TempDir::new().unwrap();
        let mut writer = writer(&directory);
        deny(&mut writer, denied);
        assert!(writer.read(&mut []).is_err(), "{denied}");
        let setting = |name: &str| {
            let connection = &writer.connection;
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_ne!(setting("cache_spill"), 0, "{denied}");
        assert_eq!(setting("max_page_count"), PAGES, "{denied}");
        assert!(writer.read(&mut []).is_ok(), "{denied}");
    }
}

#[test]
fn a_grant_needs_no_sync_and_everything_else_has_one() {
    let directory = TempDir::new().unwrap();
    let mut writer = writer(&directory);
    let level = |writer: &StoreWriter| -> i64 {
        let connection = &writer.connection;
        connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap()
    };
    let (full, normal) = (2, 1);
    let grant = || {
        let run = |_: &mut WriteBatch<'_>, _| Ok(Ok(((), false)));
        let call = ClosureCall::new(None, run, oneshot::channel().0).volatile();
        Command::Consumer(Box::new(call))
    };
    let probe = || Command::Probe(oneshot::channel().0);
    assert_eq!(level(&writer), full);
    writer.execute(vec![grant()]);
    assert_eq!(level(&writer), normal);
    writer.execute(vec![probe()]);
    assert_eq!(level(&writer), full);
    // The grant does not wait for the sync of the other.
    writer.execute(vec![probe(), grant()]);
    assert_eq!(level(&writer), full);
    writer.execute(vec![grant()]);
    writer.close().unwrap();
    assert_eq!(level(&writer), full);
}
