//! The response to a `PUT` of a consumer or a webhook.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use posthorn_domain::{ConsumerKey, SettingsTag};

use crate::request::path::consumer_path;
use crate::state::AppState;
use crate::wire::precondition::entity_tag;

/// The head of the response: 201 with the address of what is created, else 200; the version of the settings.
pub(crate) fn put_response(
    state: &AppState,
    key: &ConsumerKey,
    is_created: bool,
    tag: SettingsTag,
) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if is_created {
        let location = state.settings.public_url.link(&consumer_path(key));
        response.status(StatusCode::CREATED);
        response.insert_header((header::LOCATION, location));
    }
    response.insert_header((header::ETAG, entity_tag(tag)));
    response
}
