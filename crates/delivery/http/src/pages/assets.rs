//! The files that the pages load.

use actix_web::http::header::{
    self, AcceptEncoding, ContentEncoding, ETag, Encoding, Header, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::wire::asset::{self, Asset, Representation};
use crate::wire::problem::{ApiError, Code};

/// For a file in the folder of its version.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For a file of another version: a browser asks again each time. While a rollout replaces pods, the page of one may get
/// its files from another.
const REVALIDATED: &str = "no-cache";

/// Returns a file, compressed if the client accepts that. Browsers keep it as long as it is in the folder of its
/// version.
pub(crate) async fn file(
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let asset = asset::named(name).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let caching = if version == asset::version() {
        IMMUTABLE
    } else {
        REVALIDATED
    };
    let (coding, chosen) = choose(&request, asset);
    let is_cached = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&chosen.tag)),
        Err(_) => false,
    };
    let mut response = if is_cached {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header(ETag(chosen.tag.clone()))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::CACHE_CONTROL, caching));
    if is_cached {
        return Ok(response.finish());
    }
    if coding == ContentEncoding::Gzip {
        response.insert_header(coding);
    }
    Ok(response
        .content_type(asset.content_type)
        .body(chosen.bytes.clone()))
}

/// The representation that the client prefers.
fn choose<'a>(request: &HttpRequest, asset: &'a Asset) -> (ContentEncoding, &'a Representation) {
    let known = [Encoding::gzip(), Encoding::identity()];
    let accepted = AcceptEncoding::parse(request).ok();
    let preferred = accepted.and_then(|accepted| accepted.negotiate(known.iter()));
    match &asset.gzip {
        Some(gzip) if preferred == Some(Encoding::gzip()) => (ContentEncoding::Gzip, gzip),
        _ => (ContentEncoding::Identity, &asset.plain),
    }
}
