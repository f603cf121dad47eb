//! Which requests are counted together.

use actix_web::http::Method;
use posthorn_application::{QuotaClass, QuotaScope};

use super::{Kind, LIMITS, Route, TABLE, TOKEN};

/// What the paths of the API begin with.
const BASE: &str = "/api/v1/";
const TOPICS: &str = "/api/v1/topics";

impl Route {
    /// With what a request with `method` is counted; `None` when it is not. What no handler answers
    /// is not counted, and neither is the question about limits itself.
    pub(crate) fn quota_scope(&self, method: &Method) -> Option<QuotaScope> {
        let template = match self.kind {
            Kind::Api => self.template,
            Kind::Legacy(successor) => successor,
            Kind::Probe | Kind::Page => return None,
        };
        let method = if *method == Method::HEAD {
            "GET"
        } else {
            method.as_str()
        };
        if !self.methods().any(|known| known == method) || *self == LIMITS {
            return None;
        }
        let together = |class| QuotaScope { class, route: "" };
        Some(match method {
            "POST" if template.ends_with("/message") || template.ends_with("/messages") => {
                together(QuotaClass::Message)
            }
            "GET" if template.starts_with(TOPICS) => together(QuotaClass::Read),
            "DELETE" if *self == TOKEN => apart("revoke-token"),
            "DELETE" => apart("delete-message"),
            _ => apart(template.strip_prefix(BASE).unwrap_or(template)),
        })
    }
}

fn apart(route: &'static str) -> QuotaScope {
    QuotaScope {
        class: QuotaClass::Default,
        route,
    }
}

/// Each scope with the requests that it counts, such as `GET /api/v1/info`.
pub(crate) fn counted_together() -> Vec<(QuotaScope, Vec<String>)> {
    let mut scopes: Vec<(QuotaScope, Vec<String>)> = Vec::new();
    for route in TABLE {
        for method in route.methods() {
            let parsed = Method::from_bytes(method.as_bytes()).ok();
            let Some(scope) = parsed.and_then(|method| route.quota_scope(&method)) else {
                continue;
            };
            let request = format!("{method} {}", route.template);
            match scopes.iter_mut().find(|(other, _)| *other == scope) {
                Some((_, requests)) => requests.push(request),
                None => scopes.push((scope, vec![request])),
            }
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_api_is_counted_and_nothing_else() {
        let found: Vec<_> = counted_together()
            .into_iter()
            .map(|(scope, requests)| (scope.to_string(), requests.join(", ")))
            .collect();
        let expected = [
            (
                "message",
                "POST /api/v1/message, POST /api/v1/topics/{topic}/messages, POST /api/message",
            ),
            (
                "read",
                "GET /api/v1/topics, GET /api/v1/topics/{topic}/messages, \
                GET /api/v1/topics/{topic}/messages/{id}, GET /api/v1/topics/{topic}/stream",
            ),
            (
                "default-delete-message",
                "DELETE /api/v1/topics/{topic}/messages/{id}",
            ),
            ("default-revoke-token", "DELETE /api/v1/tokens/{jti}"),
            ("default-info", "GET /api/v1/info, GET /api/info"),
            ("default-ping", "GET /api/v1/ping, GET /api/ping"),
            ("default-health", "GET /api/v1/health, GET /api/health"),
        ];
        assert_eq!(
            found,
            expected.map(|(scope, requests)| (scope.to_owned(), requests.to_owned()))
        );
    }

    #[test]
    fn head_is_counted_as_get_and_what_has_no_handler_is_not() {
        let scope =
            |route: &Route, method| route.quota_scope(&method).map(|scope| scope.to_string());
        assert_eq!(
            scope(&super::super::INFO, Method::HEAD).as_deref(),
            Some("default-info")
        );
        for method in [Method::OPTIONS, Method::PUT, Method::GET] {
            assert_eq!(scope(&super::super::MESSAGE, method), None);
        }
        assert_eq!(scope(&LIMITS, Method::GET), None);
        assert_eq!(scope(&super::super::LIVE, Method::GET), None);
        assert_eq!(scope(&super::super::INDEX, Method::GET), None);
    }

    /// They become part of keys.
    #[test]
    fn names_of_routes_are_simple() {
        for (scope, _) in counted_together() {
            let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            assert!(scope.route.bytes().all(is_simple), "{scope}");
        }
    }
}
