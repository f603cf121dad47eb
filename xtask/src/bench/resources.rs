//! The CPU time and memory of a process, from `/proc` (proc(5)).

use std::fs;
use std::process::Command;

use crate::shell::capture;

/// The CPU time of a process with all threads, in seconds, to a hundredth.
pub(super) fn processor_seconds(process: u32) -> Result<f64, String> {
    let stat = read(process, "stat")?;
    let ticks = ticks(&stat).ok_or_else(|| format!("/proc/{process}/stat cannot be parsed"))?;
    let per_second = capture(Command::new("getconf").arg("CLK_TCK"))?;
    let per_second: f64 = per_second
        .trim()
        .parse()
        .map_err(|_| "getconf: no number")?;
    Ok(ticks / per_second)
}

/// As [`processor_seconds`], with the processes that it has started and theirs.
pub(super) fn tree_processor_seconds(process: u32) -> Result<f64, String> {
    let mut sum = processor_seconds(process)?;
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    for task in tasks.map_err(|error| format!("/proc/{process}/task: {error}"))? {
        let path = task.map_err(|error| error.to_string())?.path();
        // A thread that has ended since has no children, and a child that has ended uses nothing.
        let children = fs::read_to_string(path.join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let child = child.parse().map_err(|_| "children: no number")?;
            sum += tree_processor_seconds(child).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// The resident memory of a process in MiB.
pub(super) fn resident_mib(process: u32) -> Result<f64, String> {
    let status = read(process, "status")?;
    let kib = resident_kib(&status);
    Ok(kib.ok_or_else(|| format!("/proc/{process}/status cannot be parsed"))? / 1024.0)
}

fn read(process: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

/// `utime` and `stime`: the 14th and 15th field. The second is a name in parentheses that may hold
/// anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 500 0 0 0 123 45 0 0 20 0 4 0";
        assert_eq!(ticks(stat), Some(168.0));
        assert_eq!(ticks("42 (a) S"), None);
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(
            resident_kib("Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t1\n"),
            Some(2048.0)
        );
        assert_eq!(resident_kib("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let process = std::process::id();
        assert!(resident_mib(process).unwrap() > 0.5);
        assert!(processor_seconds(process).unwrap() >= 0.0);
        assert!(tree_processor_seconds(process).unwrap() >= 0.0);
    }
}
