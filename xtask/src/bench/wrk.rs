//! The highest load: wrk keeps every connection busy and prints its figures.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::shell::capture;

/// The load.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrkLoad<'a> {
    pub(super) connections: u16,
    pub(super) duration: Duration,
    /// The directory of the script.
    pub(super) directory: &'a Path,
}

/// The figures of the responses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LoadFigures {
    pub(super) requests: f64,
    /// Requests a second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// Requests without a successful response.
    pub(super) failed: f64,
}

impl WrkLoad<'_> {
    /// Sends GETs, or POSTs of the JSON `body`.
    pub(super) fn run(
        &self,
        address: SocketAddr,
        path: &str,
        body: Option<&str>,
    ) -> Result<LoadFigures, String> {
        let script = body.map(|body| post_script("application/json", body));
        self.run_script(address, path, script.as_deref())
    }

    /// Sends the requests of a script, or GETs without one.
    pub(super) fn run_script(
        &self,
        address: SocketAddr,
        path: &str,
        text: Option<&str>,
    ) -> Result<LoadFigures, String> {
        let mut wrk = Command::new("wrk");
        // One thread can saturate a server on a few CPUs, and uses less of them than two.
        wrk.args(["--latency", "--threads", "1", "--timeout", "10s"]);
        wrk.arg("--connections").arg(self.connections.to_string());
        wrk.arg("--duration")
            .arg(format!("{}s", self.duration.as_secs()));
        if let Some(text) = text {
            let script = self.directory.join("post.lua");
            std::fs::write(&script, text).map_err(|error| error.to_string())?;
            wrk.arg("--script").arg(script);
        }
        let printed = capture(wrk.arg(format!("http://{address}{path}")))?;
        parse(&printed).ok_or_else(|| format!("wrk printed no figures:\n{printed}"))
    }
}

/// A script that sends the same body in each request.
pub(super) fn post_script(content_type: &str, body: &str) -> String {
    format!(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = '{content_type}'\n\
         wrk.body = [==[{body}]==]\n"
    )
}

fn parse(printed: &str) -> Option<LoadFigures> {
    let line = |start: &str| {
        printed
            .lines()
            .find_map(|line| line.trim().strip_prefix(start))
    };
    let requests = printed
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))?
        .0;
    let refused = line("Non-2xx or 3xx responses:").map_or(Some(0.0), |n| n.trim().parse().ok());
    let broken: f64 = line("Socket errors:").map_or(0.0, |errors| {
        errors
            .split([',', ' '])
            .filter_map(|word| word.parse::<f64>().ok())
            .sum()
    });
    Some(LoadFigures {
        requests: requests.parse().ok()?,
        rate: line("Requests/sec:")?.trim().parse().ok()?,
        p50: millis(line("50%")?.trim())?,
        p99: millis(line("99%")?.trim())?,
        failed: refused? + broken,
    })
}

/// A time as wrk writes it, in milliseconds.
fn millis(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)];
    let parse =
        |(unit, factor): (&str, f64)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor);
    units.into_iter().find_map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 2s test @ http://127.0.0.1:5000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.23ms  456.00us   9.87ms   81.23%
    Req/Sec    50.12k     1.23k   52.34k    75.00%
  Latency Distribution
     50%  987.00us
     75%    1.23ms
     90%    1.87ms
     99%    2.34ms
  100246 requests in 2.01s, 12.34MB read
";

    #[test]
    fn the_output_is_read() {
        let printed = format!("{PRINTED}Requests/sec:  49873.62\nTransfer/sec:      6.14MB\n");
        let figures = parse(&printed).unwrap();
        let expected = LoadFigures {
            requests: 100_246.0,
            rate: 49873.62,
            p50: 0.987,
            p99: 2.34,
            failed: 0.0,
        };
        assert!((figures.p50 - expected.p50).abs() < 1e-9);
        assert_eq!(
            LoadFigures {
                p50: expected.p50,
                ..figures
            },
            expected
        );
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn every_kind_of_failure_counts() {
        let printed = format!(
            "{PRINTED}  Socket errors: connect 1, read 2, write 3, timeout 4\n  \
             Non-2xx or 3xx responses: 5\nRequests/sec:  49873.62\n"
        );
        assert_eq!(parse(&printed).map(|figures| figures.failed), Some(15.0));
    }

    #[test]
    fn times_have_units() {
        let check = |text: &str, expected: f64| {
            assert!((millis(text).unwrap() - expected).abs() < 1e-9, "{text}");
        };
        check("250.00us", 0.25);
        check("1.50ms", 1.5);
        check("2.00s", 2000.0);
        check("1.00m", 60000.0);
        assert_eq!(millis("fast"), None);
    }
}
