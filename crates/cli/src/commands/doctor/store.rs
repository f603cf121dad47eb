//! The store, and the disk below an embedded one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, MessageStore, PageLimit, TopicRequest};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::Timestamp;
use posthorn_system::DiskRoom;

use super::report::DoctorReport;
use crate::installation::{FileInspection, Installation};

/// Less free space than this is a warning.
const LITTLE_ROOM: u64 = 256 << 20;
/// A clock that is further behind what the store has seen was set back.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(2);

/// Checks that a server could use the store of the settings.
pub(super) async fn check_store(
    installation: &impl Installation,
    report: &mut DoctorReport,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) {
    match &settings.store.store_url {
        StoreUrl::Memory => report.warn("store", "`memory:`: messages end with the process"),
        StoreUrl::File(path) => {
            let found = installation.inspect_file(path, clock.now());
            let room = posthorn_system::disk_room(path);
            match (found, room) {
                // One line for one fault.
                (Ok(None), Err(error)) => report.fail(
                    "store",
                    format!(
                        "STORE_URL: {} does not exist, and cannot be created: {error}",
                        path.display()
                    ),
                ),
                (Ok(found), room) => {
                    report_file(report, path, found, clock.now());
                    report_disk(report, path, room);
                }
                (Err(error), room) => {
                    report.fail("store", format!("STORE_URL: {error}"));
                    report_disk(report, path, room);
                }
            }
        }
        StoreUrl::Redis(_) => match installation.open_store(settings, clock).await {
            Ok(opened) => {
                let health = opened.messages.health().await;
                let durability = opened.messages.durability();
                check_newest(report, newest(&*opened.messages).await, clock.now());
                opened.messages.close().await;
                match health {
                    Ok(()) => report.ok(
                        "store",
                        format!("Redis responds; receipts name `{durability}`"),
                    ),
                    Err(error) => report.fail("store", format!("STORE_URL: {error}")),
                }
            }
            Err(error) => report.fail("store", error),
        },
    }
}

fn report_file(
    report: &mut DoctorReport,
    path: &Path,
    found: Option<FileInspection>,
    now: Timestamp,
) {
    let name = path.display();
    match found {
        None => report.ok(
            "store",
            format!("{name} does not exist yet; the first start creates it"),
        ),
        Some(found) => {
            report.ok("store", format!("{name} can be read"));
            let behind = found
                .seen
                .map(|seen| seen.saturating_since(now))
                .unwrap_or_default();
            if behind > CLOCK_TOLERANCE {
                let seconds = behind.as_secs();
                report.warn(
                    "clock",
                    format!("{seconds} s behind what the store has seen: it was set back"),
                );
            }
            check_newest(report, found.newest, now);
        }
    }
}

/// Warns if new ids stay ahead of the clock, as they do after a clock that was ahead.
fn check_newest(report: &mut DoctorReport, newest: Option<Timestamp>, now: Timestamp) {
    let ahead = newest.unwrap_or_default().saturating_since(now);
    if ahead > CLOCK_TOLERANCE {
        let seconds = ahead.as_secs();
        report.warn(
            "clock",
            format!("{seconds} s behind the newest id: new ids stay ahead until it has caught up"),
        );
    }
}

/// The time of the newest id of all topics; `None` if there is none or it cannot be read.
async fn newest(store: &dyn MessageStore) -> Option<Timestamp> {
    let (mut newest, mut after) = (None, None);
    loop {
        let request = TopicRequest::after(after.as_ref(), PageLimit::MAX);
        let page = store.topics(request).await.ok()?;
        let times = page.topics.iter().map(|topic| topic.last.timestamp());
        newest = newest.max(times.max());
        match page.topics.into_iter().next_back() {
            Some(last) if page.has_more => after = Some(last.topic),
            _ => return newest,
        }
    }
}

/// Reports whether the file can be written, and warns of little free space.
fn report_disk(report: &mut DoctorReport, path: &Path, room: io::Result<DiskRoom>) {
    match room {
        Ok(room) => {
            let text = format!(
                "{} MiB free in {}",
                room.free_bytes >> 20,
                room.directory.display()
            );
            if room.free_bytes < LITTLE_ROOM {
                report.warn("disk", text);
            } else {
                report.ok("disk", text);
            }
        }
        Err(error) => report.fail(
            "disk",
            format!("STORE_URL: {} cannot be written: {error}", path.display()),
        ),
    }
}
