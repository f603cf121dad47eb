//! The style and the scripts of the pages, from the binary, as they are and compressed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::sync::{LazyLock, OnceLock};

use actix_web::http::header::EntityTag;
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::settings::Locale;

/// A file of the pages.
pub(crate) struct Asset {
    pub(crate) content_type: &'static str,
    /// The file as it is.
    pub(crate) plain: Representation,
    /// The file compressed by gzip; absent if that failed, which writing to memory does not.
    pub(crate) gzip: Option<Representation>,
}

/// The bytes of a file in one content coding.
pub(crate) struct Representation {
    pub(crate) bytes: Bytes,
    /// Differs between the codings, as a strong tag has to.
    pub(crate) tag: EntityTag,
}

/// The script that the page starts with; it imports the others.
const ENTRY: &str = "page.js";
/// The script that runs before the page is shown; no module.
const FIRST: &str = "first.js";
/// The only file that is no script.
const STYLE: &str = "page.css";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../assets/", $name)))),+]
    };
}

/// The files: name and text.
static FILES: &[(&str, &str)] = &files![
    "page.css",
    "page.js",
    "first.js",
    "chart.js",
    "compose.js",
    "consumers.js",
    "detail.js",
    "dom.js",
    "find.js",
    "given.js",
    "keys.js",
    "line.js",
    "list.js",
    "live.js",
    "metrics.js",
    "service.js",
    "session.js",
    "sse.js",
    "states.js",
    "texts-en.js",
    "texts-ru.js",
    "texts.js",
    "time.js",
    "topics.js",
    "webhooks.js",
    "window.js",
];

/// All files of the page.
static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets::of(FILES));

/// Files, each of which is compressed when it is requested first: the first page waits for none but its own.
struct Assets(Vec<LazyAsset>);

struct LazyAsset {
    /// Its name below `/assets/`.
    name: &'static str,
    text: &'static str,
    asset: OnceLock<Asset>,
}

impl Assets {
    fn of(files: &[(&'static str, &'static str)]) -> Self {
        let entries = files.iter().map(|&(name, text)| LazyAsset {
            name,
            text,
            asset: OnceLock::new(),
        });
        Self(entries.collect())
    }

    fn named(&self, name: &str) -> Option<&Asset> {
        let entry = self.0.iter().find(|entry| entry.name == name)?;
        let made = || asset(entry.name, entry.text);
        Some(entry.asset.get_or_init(made))
    }
}

/// The name of the folder in which the page finds its files. It is of their contents, so that browsers keep the files of
/// one version without revalidation, and modules, which import their neighbours, are all of that version.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// The name of the folder of the present files.
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// The file with this name.
pub(crate) fn named(name: &str) -> Option<&'static Asset> {
    ASSETS.named(name)
}

/// The modules that the entry imports in a language, so that browsers load them at once.
pub(crate) fn modules(locale: Locale) -> impl Iterator<Item = &'static str> {
    let other = match locale {
        Locale::Ru => "texts-en.js",
        Locale::En => "texts-ru.js",
    };
    let names = FILES.iter().map(|(name, _)| *name);
    names.filter(move |name| ![STYLE, ENTRY, FIRST, other].contains(name))
}

fn asset(name: &'static str, text: &'static str) -> Asset {
    let content_type = if name == STYLE {
        "text/css; charset=utf-8"
    } else {
        "text/javascript; charset=utf-8"
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let hash = hasher.finish();
    let plain = Bytes::from_static(text.as_bytes());
    let compressed = compress(text).map(Bytes::from);
    Asset {
        content_type,
        plain: Representation {
            bytes: plain,
            tag: EntityTag::new_strong(format!("{hash:016x}")),
        },
        gzip: compressed.ok().map(|bytes| Representation {
            bytes,
            tag: EntityTag::new_strong(format!("{hash:016x}-gzip")),
        }),
    }
}

fn compress(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::{Assets, FILES, STYLE};

    #[test]
    fn a_request_compresses_the_file_that_it_is_for_alone() {
        let assets = Assets::of(FILES);
        assert!(assets.named("absent.js").is_none());
        assert!(
            assets
                .named(STYLE)
                .is_some_and(|style| style.gzip.is_some())
        );
        let made = assets.0.iter().filter(|entry| entry.asset.get().is_some());
        let made: Vec<_> = made.map(|entry| entry.name).collect();
        assert_eq!(made, [STYLE]);
    }
}
