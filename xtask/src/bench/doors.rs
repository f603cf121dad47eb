//! The media types of a message beside JSON, and batches beside single messages.

use std::path::Path;
use std::time::Duration;

use super::cases::in_turns;
use super::figures::{Figures, median};
use super::options::BenchOptions;
use super::server::{BenchServer, Binaries, ServerKind, ServerLaunch, directory_on_disk};
use super::verdict::verdict;
use super::wrk::{WrkLoad, post_script};
use crate::{process, programs};

const MESSAGES_PATH: &str = "/api/v1/topics/inbox/messages";
const BATCH_PATH: &str = "/api/v1/topics/inbox/messages/batch";
const SENTENCE: &str = "The quick brown fox jumps over the lazy dog";

/// The targets: the most CPU time of a request beside JSON.
const MOST_TEXT: f64 = 1.0;
const MOST_OTHER: f64 = 1.3;
/// The noise that a ratio of equal costs shows.
const TOLERANCE: f64 = 0.03;

/// The connections that send batches, and the messages of a batch.
const BATCH_CONNECTIONS: u16 = 16;
const BATCH_MESSAGES: u32 = 100;
/// The targets of batches: messages a second beside single ones, and CPU time a message.
const LEAST_BATCHED: f64 = 4.0;
const MOST_BATCHED_MICROS: f64 = 5.0;

/// Each media type with the most CPU time beside JSON; the first is JSON.
fn formats() -> Vec<(&'static str, f64, String)> {
    let event = |fields: &str| {
        // Each event has an id of its own: a repeated one would be a retry.
        format!(
            "local number = 0\nlocal start = os.time() .. string.match(tostring({{}}), '%x+$')\nrequest = function()\n\
             number = number + 1\nlocal id = start .. number\n{fields}\nend\n"
        )
    };
    let structured = format!(
        "return wrk.format('POST', nil, {{['Content-Type'] = 'application/cloudevents+json'}}, \
         '{{\"specversion\":\"1.0\",\"id\":\"' .. id .. '\",\"source\":\"/bench\",\"type\":\"t\",\
         \"data\":\"{SENTENCE}\"}}')"
    );
    let json = format!("{{\"message\":\"{SENTENCE}\"}}");
    let keyed = format!(
        "return wrk.format('POST', nil, {{['Content-Type'] = 'application/json', \
         ['Idempotency-Key'] = id}}, '{{\"message\":\"{SENTENCE}\",\"attributes\":{{\"ce.id\":\"' .. id \
         .. '\",\"ce.source\":\"/bench\",\"ce.type\":\"t\"}}}}')"
    );
    let form = format!("message={}&name=x", SENTENCE.replace(' ', "+"));
    vec![
        ("JSON", MOST_OTHER, post_script("application/json", &json)),
        ("text", MOST_TEXT, post_script("text/plain", SENTENCE)),
        (
            "form",
            MOST_OTHER,
            post_script("application/x-www-form-urlencoded", &form),
        ),
        ("JSON, key and attributes", MOST_OTHER, event(&keyed)),
        ("event, structured", MOST_OTHER, event(&structured)),
    ]
}

/// Measures and prints both.
pub(super) fn run(
    root: &Path,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
) -> Result<(), String> {
    let directory = directory_on_disk(root)?;
    let launch = |store| ServerLaunch {
        binary: binaries.of(ServerKind::Unlimited),
        workers,
        directory: directory.path(),
        store,
    };
    media_types(options, &launch("memory:"))?;
    println!("\nbatches of {BATCH_MESSAGES}, {BATCH_CONNECTIONS} connections");
    let file = format!("file:{}", directory.path().join("batches.db").display());
    batches("embedded, synced", options, &launch(&file))?;
    programs::ensure_package("redis-server", "redis-server")?;
    let address = process::free_address()?;
    let redis = process::redis_in_memory(address, directory.path())?;
    let store = format!("redis://{address}");
    batches("Redis, in its memory", options, &launch(&store))?;
    redis.terminate().map(drop)
}

fn load<'a>(connections: u16, options: &BenchOptions, launch: &ServerLaunch<'a>) -> WrkLoad<'a> {
    WrkLoad {
        connections,
        duration: Duration::from_secs(options.seconds),
        directory: launch.directory,
    }
}

fn media_types(options: &BenchOptions, launch: &ServerLaunch<'_>) -> Result<(), String> {
    let server = BenchServer::start(ServerKind::Unlimited, launch)?;
    let load = load(options.connections, options, launch);
    let formats = formats();
    let mut rounds: Vec<Vec<Figures>> = Vec::new();
    for number in 1..=options.rounds {
        rounds.push(in_turns(&formats, number % 2 == 0, |(_, _, script)| {
            server.measured(|| load.run_script(server.address, MESSAGES_PATH, Some(script)))
        })?);
    }
    println!(
        "\nmedia types, {} connections, no quotas",
        options.connections
    );
    for (index, (name, most, _)) in formats.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64, at: usize| {
            let figures = rounds.iter().filter_map(|round| round.get(at));
            median(figures.map(figure).collect())
        };
        // An event has a key and attributes: it is compared with JSON that has them too.
        let compared = if index < 3 { 0 } else { 3 };
        let cost = |at| of(|figures| figures.processor_micros, at);
        let ratio = cost(index) / cost(compared);
        let beside = rounds.iter().flatten().map(|figures| figures.failed);
        println!(
            "{name:26} {:>8.0} requests/s, {:>5.1} us CPU, {ratio:.2} of {}, at most {most:.1}: {}",
            of(|figures| figures.rate, index),
            cost(index),
            formats.get(compared).map_or("", |(name, ..)| name),
            verdict(ratio <= most + TOLERANCE),
        );
        if beside.sum::<f64>() > 0.0 {
            return Err("a request failed".to_owned());
        }
    }
    Ok(())
}

fn batches(name: &str, options: &BenchOptions, launch: &ServerLaunch<'_>) -> Result<(), String> {
    let server = BenchServer::start(ServerKind::Unlimited, launch)?;
    let message = format!("{{\"message\":\"{SENTENCE}\"}}");
    let many: Vec<_> = (0..BATCH_MESSAGES).map(|_| message.as_str()).collect();
    let single = post_script("application/json", &message);
    let batch = post_script("application/json", &format!("[{}]", many.join(",")));
    let requests = [(MESSAGES_PATH, single), (BATCH_PATH, batch)];
    let load = load(BATCH_CONNECTIONS, options, launch);
    let (mut singles, mut batched) = (Vec::new(), Vec::new());
    for number in 1..=options.rounds {
        let found = in_turns(&requests, number % 2 == 0, |(path, script)| {
            server.measured(|| load.run_script(server.address, path, Some(script)))
        })?;
        if let [one, many] = found[..] {
            singles.push(one);
            batched.push(many);
        }
    }
    let failed: f64 = singles
        .iter()
        .chain(&batched)
        .map(|figures| figures.failed)
        .sum();
    let of =
        |list: &[Figures], figure: fn(&Figures) -> f64| median(list.iter().map(figure).collect());
    let one = of(&singles, |figures| figures.rate);
    let messages = of(&batched, |figures| figures.rate) * f64::from(BATCH_MESSAGES);
    let micros = of(&batched, |figures| figures.processor_micros) / f64::from(BATCH_MESSAGES);
    println!(
        "{name:24} {one:>8.0} single messages/s; {messages:>8.0} in batches, {:.1} times, at least \
         {LEAST_BATCHED}: {}; {micros:.1} us CPU a message, at most {MOST_BATCHED_MICROS}: {}; \
         {failed:.0} failed",
        messages / one,
        verdict(messages >= one * LEAST_BATCHED),
        verdict(micros <= MOST_BATCHED_MICROS),
    );
    if failed > 0.0 {
        return Err("a request failed".to_owned());
    }
    Ok(())
}
