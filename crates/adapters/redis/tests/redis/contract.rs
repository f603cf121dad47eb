//! The contract suites on a single server, on a cluster of three nodes, and behind Sentinels.

mod cache_on_a_server {
    use crate::support::CacheOn;

    posthorn_testkit::cache_contract_tests!(CacheOn::server().await);
}

mod cache_on_a_cluster {
    use crate::support::CacheOn;

    posthorn_testkit::cache_contract_tests!(CacheOn::cluster().await);
}

mod quotas_on_a_server {
    use crate::support::QuotasOn;

    posthorn_testkit::quota_contract_tests!(QuotasOn::server().await);
}

mod quotas_on_a_cluster {
    use crate::support::QuotasOn;

    posthorn_testkit::quota_contract_tests!(QuotasOn::cluster().await);
}

mod store_on_a_server {
    use crate::support::StoreOn;

    posthorn_testkit::store_contract_tests!(StoreOn::server().await);
    posthorn_testkit::store_restart_tests!(StoreOn::server().await);
    posthorn_testkit::store_model_tests!(cases = 40, StoreOn::server().await);
}

mod consumers_on_a_server {
    use crate::support::StoreOn;

    posthorn_testkit::consumer_contract_tests!(StoreOn::server().await);
    posthorn_testkit::consumer_restart_tests!(StoreOn::server().await);
    posthorn_testkit::consumer_model_tests!(cases = 40, StoreOn::server().await);
}

mod consumers_behind_sentinels {
    use crate::support::StoreOn;

    posthorn_testkit::consumer_contract_tests!(StoreOn::shared_sentinel().await);
    posthorn_testkit::consumer_restart_tests!(StoreOn::shared_sentinel().await);
}

mod consumers_on_a_cluster {
    use crate::support::StoreOn;

    posthorn_testkit::consumer_contract_tests!(StoreOn::cluster().await);
    posthorn_testkit::consumer_restart_tests!(StoreOn::cluster().await);
    posthorn_testkit::consumer_model_tests!(cases = 20, StoreOn::cluster().await);
}

mod webhooks_on_a_server {
    use crate::support::StoreOn;

    posthorn_testkit::webhook_contract_tests!(StoreOn::server().await);
    posthorn_testkit::webhook_restart_tests!(StoreOn::server().await);
}

mod webhooks_on_a_cluster {
    use crate::support::StoreOn;

    posthorn_testkit::webhook_contract_tests!(StoreOn::cluster().await);
    posthorn_testkit::webhook_restart_tests!(StoreOn::cluster().await);
}

mod store_on_a_cluster {
    use crate::support::StoreOn;

    posthorn_testkit::store_contract_tests!(StoreOn::cluster().await);
    posthorn_testkit::store_restart_tests!(StoreOn::cluster().await);
    posthorn_testkit::store_model_tests!(cases = 20, StoreOn::cluster().await);
}

mod revocations_on_a_server {
    use crate::support::RevocationsOn;

    posthorn_testkit::revocation_list_contract_tests!(RevocationsOn::server().await);
}

mod revocations_on_a_cluster {
    use crate::support::RevocationsOn;

    posthorn_testkit::revocation_list_contract_tests!(RevocationsOn::cluster().await);
}
