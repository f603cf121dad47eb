//! From the command line to an exit status: 0 done, 1 failed, 2 usage, 78 bad configuration.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Parser;
use posthorn_telemetry::{LogSettings, TelemetryGuard, TraceSettings};
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, ServerOptions};
use crate::client::{self, ClientError, SendRequest, Server, TailRequest};
use crate::compose::App;
use crate::config::{self, ConfigErrors, Loaded, Settings, Sources};
use crate::healthcheck;
use crate::signals::StopSignals;
use crate::system_clock::SystemClock;
use crate::token;

/// `EX_CONFIG` of BSD's `sysexits.h`.
pub(crate) const BAD_CONFIGURATION: u8 = 78;
/// Threads for what is not a request: watching dependencies, pruning, Redis pipelines.
const BACKGROUND_THREADS: usize = 2;
/// The most that is read from standard input: the largest body any server may be set to take.
const MAX_INPUT_BYTES: u64 = 16 << 20;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = Sources::of_process(cli.config.as_deref());
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&sources),
        Command::Config { reference: true } => print(&config::reference_markdown()),
        Command::Config { reference: false } => show_config(&sources),
        Command::Healthcheck { url } => check_health(&sources, url),
        Command::Openapi => print(&posthorn_http::openapi_json()),
        Command::Token { command } => token::run(&sources, command),
        Command::Send {
            text,
            literal,
            topic,
            attributes,
            idempotency_key,
            retry_for,
            json,
            server,
        } => {
            let request = SendRequest {
                text: literal.unwrap_or(text),
                topic,
                attributes,
                idempotency_key,
                retry_for,
            };
            send(&server, request, json)
        }
        Command::Tail {
            topic,
            after,
            json,
            server,
        } => tail(&server, &TailRequest { topic, after, json }),
    }
}

fn send(server: &ServerOptions, mut request: SendRequest, json: bool) -> ExitCode {
    if request.text == "-" {
        match read_input() {
            Ok(text) => request.text = text,
            Err(error) => return fail(&error),
        }
    }
    let outcome = run_client(server, async |server| {
        client::send(&server, &request, &SystemClock::new()).await
    });
    match outcome {
        Ok(receipt) if json => print(&format!("{receipt}\n")),
        Ok(receipt) => {
            let id = receipt
                .get("id")
                .and_then(|id| id.as_str())
                .unwrap_or_default();
            print(&format!("{id}\n"))
        }
        Err(error) => fail(&error),
    }
}

fn tail(server: &ServerOptions, request: &TailRequest) -> ExitCode {
    let outcome = run_client(server, async |server| {
        let (clock, mut output) = (SystemClock::new(), io::stdout());
        tokio::select! {
            outcome = client::tail(&server, request, &clock, &mut output) => outcome,
            () = output_closed() => Ok(()),
        }
    });
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// Waits until nobody can read standard output any more; otherwise only the next message would
/// show it.
async fn output_closed() {
    // A copy of its descriptor is only waited for, so that it need not be non-blocking. A file,
    // which cannot be waited for, has no reader.
    if let Ok(output) = io::stdout().as_fd().try_clone_to_owned()
        && let Ok(output) = pipe::Sender::from_owned_fd_unchecked(output)
        && output.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Runs a client command to its end.
fn run_client<T>(
    server: &ServerOptions,
    command: impl AsyncFnOnce(Server) -> Result<T, ClientError>,
) -> Result<T, String> {
    let server = Server::new(&server.url, server.token.clone()).map_err(|e| e.to_string())?;
    let runtime = runtime().map_err(|error| error.to_string())?;
    runtime
        .block_on(command(server))
        .map_err(|error| error.to_string())
}

/// All of standard input.
pub(crate) fn read_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = io::stdin()
        .take(MAX_INPUT_BYTES + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(format!("standard input: over {MAX_INPUT_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| format!("standard input is not UTF-8: {error}"))
}

fn serve(sources: &Sources) -> ExitCode {
    let settings = match config::load(sources) {
        Ok(loaded) => loaded.settings,
        Err(errors) => return refuse(&errors, BAD_CONFIGURATION),
    };
    // Held to the end, so that the last log lines are written.
    let _telemetry = match start_telemetry(&settings) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let status = match runtime.block_on(run_until_stopped(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped by an error");
            fail(&error)
        }
    };
    // Nothing that is left may hold up the exit.
    runtime.shutdown_background();
    status
}

async fn run_until_stopped(settings: Settings) -> Result<(), String> {
    let mut signals = StopSignals::listen().map_err(|error| error.to_string())?;
    let app = tokio::select! {
        app = App::compose(settings) => app.map_err(|error| error.to_string())?,
        signal = signals.next() => {
            tracing::info!(?signal, "told to stop while starting");
            return Ok(());
        }
    };
    let stop = async move {
        let signal = signals.next().await;
        tracing::info!(?signal, "told to stop");
        tokio::spawn(async move {
            let signal = signals.next().await;
            exit_now(signal.exit_code());
        });
    };
    app.run(stop).await.map_err(|error| error.to_string())
}

/// Ends the process without finishing anything, as a second signal asks for.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the operator asked for it twice"
)]
fn exit_now(code: u8) {
    std::process::exit(i32::from(code));
}

pub(crate) fn start_telemetry(settings: &Settings) -> Result<TelemetryGuard, String> {
    let log = LogSettings {
        level: settings.log.level.clone(),
        format: settings.log.format,
        app_name: settings.app_name.clone(),
        ..LogSettings::default()
    };
    let traces = settings.traces.as_ref().map(|traces| TraceSettings {
        endpoint: traces.endpoint.clone(),
        timeout: traces.timeout,
        app_name: settings.app_name.clone(),
        service_name: traces.service_name.clone(),
        service_version: settings.app_version.clone(),
        service_instance: settings.pod.clone(),
        environment: settings.environment.as_str().to_owned(),
        sampler: traces.sampler,
    });
    if traces.is_some() {
        // Only the first call installs it; a client of Redis may have.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    posthorn_telemetry::init(&log, traces.as_ref()).map_err(|error| error.to_string())
}

fn show_config(sources: &Sources) -> ExitCode {
    let Loaded { effective, .. } = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors, 1),
    };
    let width = |text: fn(&config::Effective) -> &str| {
        effective
            .iter()
            .map(|row| text(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, values) = (width(|row| row.name), width(|row| &row.value));
    let mut text = String::new();
    for config::Effective {
        name,
        value,
        origin,
    } in &effective
    {
        text.push_str(&format!("{name:names$}  {value:values$}  {origin}\n"));
    }
    print(&text)
}

fn check_health(sources: &Sources, url: Option<String>) -> ExitCode {
    let url = match url {
        Some(url) => url,
        None => match config::load(sources) {
            Ok(loaded) => healthcheck::default_url(&loaded.settings),
            Err(errors) => return refuse(&errors, 1),
        },
    };
    let outcome = match runtime() {
        Ok(runtime) => runtime.block_on(healthcheck::check(&url)),
        Err(error) => Err(error.to_string()),
    };
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()
}

/// Prints to standard output; a reader that went away is no failure of ours.
pub(crate) fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

/// Tells a person something, on standard error.
pub(crate) fn tell(text: &str) {
    // `eprintln!` panics where standard error is full or has no reader any more. There is nowhere to
    // say so, and it is no reason to stop.
    let _ = writeln!(io::stderr(), "posthorn: {text}");
}

pub(crate) fn fail(error: &str) -> ExitCode {
    tell(error);
    ExitCode::FAILURE
}

pub(crate) fn refuse(errors: &ConfigErrors, status: u8) -> ExitCode {
    tell(&format!("bad configuration\n{errors}"));
    ExitCode::from(status)
}
