//! The style and the scripts of the pages, from the binary.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use actix_web::http::header::{self, ETag, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::wire::problem::{ApiError, Code};

/// A file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    tag: EntityTag,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    let css = "text/css; charset=utf-8";
    let js = "text/javascript; charset=utf-8";
    macro_rules! file {
        ($name:literal, $content_type:expr) => {
            asset(
                $name,
                $content_type,
                include_str!(concat!("../../assets/", $name)),
            )
        };
    }
    [
        file!("page.css", css),
        file!("page.js", js),
        file!("session.js", js),
        file!("consumers.js", js),
        file!("webhooks.js", js),
    ]
});

fn asset(name: &'static str, content_type: &'static str, text: &'static str) -> Asset {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = EntityTag::new_strong(format!("{:016x}", hasher.finish()));
    Asset {
        name,
        content_type,
        text,
        tag,
    }
}

/// Returns a file. Browsers cache it and revalidate it each time, so that a page never runs with the
/// script of another version.
pub(crate) async fn file(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let found = ASSETS.iter().find(|asset| asset.name == name.as_str());
    let asset = found.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let is_cached = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&asset.tag)),
        Err(_) => false,
    };
    let mut response = if is_cached {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header(ETag(asset.tag.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    Ok(if is_cached {
        response.finish()
    } else {
        response.content_type(asset.content_type).body(asset.text)
    })
}
