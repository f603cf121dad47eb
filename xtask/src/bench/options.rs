//! The options of `cargo xtask bench`.

/// How long and how often the bench measures.
#[derive(Clone, Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct BenchOptions {
    /// Seconds of load for each case in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) seconds: u64,
    /// Rounds; the figures are their medians. Every other one goes through the cases backwards.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(super) rounds: u64,
    /// Connections that send at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) connections: u16,
    /// Measure media types and batches and nothing else.
    #[arg(long)]
    pub(super) doors: bool,
    /// Measure consumers and nothing else.
    #[arg(long)]
    pub(super) consumers: bool,
    /// Measure webhooks and nothing else.
    #[arg(long)]
    pub(super) webhooks: bool,
    /// Measure beside other products that are installed, and nothing else.
    #[arg(long)]
    pub(super) peers: bool,
    /// Measure growing stores and nothing else.
    #[arg(long)]
    pub(super) growth: bool,
    /// Readers of one topic in the fan-out of `--peers`.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) readers: u16,
    /// Compare with this other binary of the server and measure nothing else.
    #[arg(long, value_name = "BINARY")]
    pub(super) against: Option<std::path::PathBuf>,
}
