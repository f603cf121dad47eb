//! How much the store holds, and the identity of its data.

use posthorn_application::{StoreError, StoreIdentity, StoreUsage};
use redis::Pipeline;

use super::{RedisStore, record};
use crate::keys;

impl RedisStore {
    pub(super) async fn read_usage(&self) -> Result<StoreUsage, StoreError> {
        let topics = self.bounded(async {
            let count = self.index.count(&self.sessions).await;
            count.map_err(StoreError::from)
        });
        let topics = topics.await?;
        let identity = self.bounded(self.identity()).await;
        if let Err(error) = &identity {
            tracing::debug!(%error, "the identity of the store cannot be read");
        }
        Ok(StoreUsage {
            topics,
            bytes: None,
            identity: identity.ok(),
        })
    }

    /// The identity of the data. Data without one gets a new one: it is new, or what there was is lost.
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let key = keys::identity(&self.prefix);
        let slot = keys::slot(&key);
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let found: Option<String> = self.sessions.query(slot, &get).await?;
        if let Some(found) = found {
            return parse(&found);
        }
        let text = StoreIdentity::new(rand::random()).to_string();
        let mut make = Pipeline::with_capacity(2);
        make.cmd("SET").arg(&key).arg(text).arg("NX").ignore();
        make.add_command(get);
        // Another process may have been first.
        let (found,): (String,) = self.sessions.query(slot, &make).await?;
        parse(&found)
    }
}

fn parse(text: &str) -> Result<StoreIdentity, StoreError> {
    let number = u64::from_str_radix(text, 16);
    let number = number.map_err(|_| record::corrupt("the identity is no number".to_owned()))?;
    Ok(StoreIdentity::new(number))
}
