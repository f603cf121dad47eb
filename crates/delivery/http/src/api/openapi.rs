//! The OpenAPI document: its route, and the parts that all operations share.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use posthorn_application::Action;
use posthorn_domain::Scope;
use serde_json::json;
use utoipa::Modify;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi as Description, RefOr, Response};

use crate::route::TABLE;
use crate::state::AppState;

/// Returns the text of the document.
pub(crate) struct OpenApiText(pub(crate) fn() -> &'static str);

/// The OpenAPI document, with the public URL as its server.
pub(crate) async fn openapi(
    text: web::Data<OpenApiText>,
    state: web::Data<AppState>,
) -> HttpResponse {
    let text = (text.0)();
    let base = state.settings.public_url.base();
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    // The document has no member `servers`: it is inserted as the first one.
    match text.strip_prefix('{') {
        Some(members) if !base.is_empty() => {
            let servers = json!([{ "url": base }]);
            response.body(format!("{{\"servers\":{servers},{members}"))
        }
        _ => response.body(text),
    }
}

/// Adds the security scheme and the scopes of each operation.
pub(crate) struct Security;

/// The name of the security scheme.
const BEARER: &str = "bearer";

impl Modify for Security {
    fn modify(&self, description: &mut Description) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A token from `posthorn token issue`. In production reading and deleting need a \
                 token, and so does sending with `REQUIRE_WRITE_TOKEN=true`. In development no token \
                 is needed. A token that is sent has to be valid in any case.",
            ))
            .build();
        description
            .components
            .get_or_insert_default()
            .add_security_scheme(BEARER, SecurityScheme::Http(scheme));
        for route in TABLE {
            let Some(item) = description.paths.paths.get_mut(route.template) else {
                continue;
            };
            for (method, operation) in [
                (Method::GET, &mut item.get),
                (Method::POST, &mut item.post),
                (Method::PUT, &mut item.put),
                (Method::DELETE, &mut item.delete),
            ] {
                if let Some(operation) = operation {
                    operation.security = Some(requirements(route.action(&method)));
                }
            }
        }
    }
}

/// The scopes of an action; an empty alternative means that it may need no token.
fn requirements(action: Action) -> Vec<SecurityRequirement> {
    let scopes: Vec<_> = action.scope().into_iter().map(Scope::as_str).collect();
    let needed = SecurityRequirement::new(BEARER, scopes);
    match action {
        Action::Read
        | Action::Delete
        | Action::Consume
        | Action::ManageConsumers
        | Action::ManageWebhooks
        | Action::Revoke => vec![needed],
        Action::Write | Action::Open | Action::Unchecked => {
            vec![SecurityRequirement::default(), needed]
        }
    }
}

/// What all requests have in common: a body has no unknown members, and what is absent is left out, not `null`.
pub(crate) struct Requests;

/// The operations whose body may be absent, because each of its members may be.
const OPTIONAL_BODY: [&str; 5] = [
    "put_consumer",
    "pull",
    "redrive",
    "redrive_webhook",
    "rotate_secret",
];

/// The members of bodies that may be `null`, as they are in the responses.
const NULLABLE: [&str; 1] = ["rate_per_second"];

impl Modify for Requests {
    fn modify(&self, description: &mut Description) {
        let items = description.paths.paths.values_mut();
        let operations = items.flat_map(|item| {
            let all = [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.delete,
            ];
            all.into_iter().flatten()
        });
        for operation in operations {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema.iter_mut().for_each(refuse_null);
                }
            }
            let id = operation.operation_id.as_deref().unwrap_or_default();
            if OPTIONAL_BODY.contains(&id)
                && let Some(RefOr::T(body)) = &mut operation.request_body
            {
                body.required = None;
            }
        }
        let components = description.components.get_or_insert_default();
        for (name, schema) in &mut components.schemas {
            if let RefOr::T(Schema::Object(body)) = schema
                && name.ends_with("Body")
            {
                let members = body.properties.iter_mut();
                let not_null = members.filter(|(name, _)| !NULLABLE.contains(&name.as_str()));
                not_null.for_each(|(_, schema)| refuse_null(schema));
                body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

fn refuse_null(schema: &mut RefOr<Schema>) {
    let types = match schema {
        RefOr::T(Schema::Object(value)) => &mut value.schema_type,
        RefOr::T(Schema::Array(list)) => &mut list.schema_type,
        _ => return,
    };
    if let SchemaType::Array(several) = types {
        several.retain(|one| *one != Type::Null);
        if let [one] = several.as_slice() {
            *types = SchemaType::Type(one.clone());
        }
    }
}

/// Adds the headers that the responses of every operation have, and the descriptions that have none.
pub(crate) struct CommonHeaders;

impl Modify for CommonHeaders {
    fn modify(&self, description: &mut Description) {
        for (path, item) in &mut description.paths.paths {
            let route = TABLE.iter().find(|route| route.template == path);
            for (method, operation) in [
                (Method::GET, &mut item.get),
                (Method::POST, &mut item.post),
                (Method::PUT, &mut item.put),
                (Method::DELETE, &mut item.delete),
            ] {
                let scope = route.and_then(|route| route.quota_scope(&method));
                if let Some(operation) = operation {
                    describe_headers(operation, scope.is_some());
                }
            }
        }
    }
}

/// The headers of responses to counted requests, and to those that exceed a limit.
const LIMIT_HEADERS: [(&str, &str); 2] = [
    ("RateLimit-Policy", "The limits of the client"),
    (
        "RateLimit",
        "The remaining requests of each limit, and the seconds until there are more",
    ),
];

fn describe_headers(operation: &mut Operation, is_counted: bool) {
    let id = header(
        Type::String,
        "The request id: the client's own, or a new UUID",
    );
    let wait = header(Type::Integer, "Seconds to wait before the next attempt");
    let challenge = header(Type::String, "The challenge (RFC 6750, 3)");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(Response {
            headers,
            description,
            ..
        }) = response
        else {
            continue;
        };
        // OpenAPI requires one.
        if description.is_empty() {
            let status = status.parse::<StatusCode>().ok();
            let reason = status.and_then(|status| status.canonical_reason());
            reason.unwrap_or_default().clone_into(description);
        }
        headers.insert("X-Request-ID".to_owned(), id.clone());
        if is_counted || status == "429" {
            for (name, description) in LIMIT_HEADERS {
                headers.insert(name.to_owned(), header(Type::String, description));
            }
        }
        if matches!(status.as_str(), "429" | "503") {
            headers.insert("Retry-After".to_owned(), wait.clone());
        }
        if matches!(status.as_str(), "401" | "403") {
            headers.insert("WWW-Authenticate".to_owned(), challenge.clone());
        }
    }
}

fn header(of: Type, description: &str) -> RefOr<Header> {
    let schema = ObjectBuilder::new().schema_type(of);
    let header = HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description));
    RefOr::T(header.build())
}
