//! The contract suite, the model and the restarts, on a file.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{Clock, ConsumerStore, MessageStore, RevocationList, WebhookStore};
use posthorn_domain::Durability;
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_testkit::{
    ConsumerHarness, FakeClock, RevocationListHarness, StoreHarness, WebhookHarness,
    consumer_clock_tests, consumer_contract_tests, consumer_model_tests, consumer_restart_tests,
    revocation_list_contract_tests, store_clock_tests, store_contract_tests, store_model_tests,
    store_restart_tests, webhook_contract_tests, webhook_restart_tests,
};
use tempfile::TempDir;

struct FileHarness {
    directory: TempDir,
    clock: Arc<FakeClock>,
    store: Arc<EmbeddedStore>,
}

fn open(directory: &TempDir, clock: &Arc<FakeClock>) -> Arc<EmbeddedStore> {
    let settings = EmbeddedStoreSettings {
        // The cases do not depend on syncing, which would make them slow.
        durability: Durability::Memory,
        ..EmbeddedStoreSettings::new(directory.path().join("posthorn.db"))
    };
    Arc::new(EmbeddedStore::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap())
}

fn harness() -> FileHarness {
    let (directory, clock) = (TempDir::new().unwrap(), Arc::new(FakeClock::new()));
    let store = open(&directory, &clock);
    FileHarness {
        directory,
        clock,
        store,
    }
}

#[async_trait]
impl StoreHarness for FileHarness {
    fn store(&self) -> Arc<dyn MessageStore> {
        Arc::clone(&self.store) as Arc<dyn MessageStore>
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }

    async fn lose(&mut self) -> bool {
        self.store.close().await;
        for file in std::fs::read_dir(self.directory.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        self.store = open(&self.directory, &self.clock);
        true
    }

    async fn reopen(&mut self) -> bool {
        self.store.close().await;
        self.store = open(&self.directory, &self.clock);
        true
    }
}

impl ConsumerHarness for FileHarness {
    fn consumers(&self) -> Arc<dyn ConsumerStore> {
        Arc::clone(&self.store) as Arc<dyn ConsumerStore>
    }
}

impl WebhookHarness for FileHarness {
    fn webhooks(&self) -> Arc<dyn WebhookStore> {
        Arc::clone(&self.store) as Arc<dyn WebhookStore>
    }
}

#[async_trait]
impl RevocationListHarness for FileHarness {
    fn revocation_list(&self) -> Arc<dyn RevocationList> {
        Arc::clone(&self.store) as Arc<dyn RevocationList>
    }

    fn clock(&self) -> &FakeClock {
        &self.clock
    }

    async fn reopen(&mut self) -> bool {
        StoreHarness::reopen(self).await
    }
}

store_contract_tests!(harness());
store_clock_tests!(harness());
store_restart_tests!(harness());
store_model_tests!(cases = 128, harness());
revocation_list_contract_tests!(harness());
consumer_model_tests!(cases = 128, harness());

mod consumers {
    use super::*;

    consumer_contract_tests!(harness());
    consumer_clock_tests!(harness());
    consumer_restart_tests!(harness());
}

mod webhooks {
    use super::*;

    webhook_contract_tests!(harness());
    webhook_restart_tests!(harness());
}
