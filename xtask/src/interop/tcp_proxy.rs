//! A TCP proxy that cuts connections in the middle of a response, or refuses them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A proxy in front of one server. Its threads end with the process.
#[derive(Clone, Debug)]
pub(super) struct TcpProxy {
    /// Where it listens.
    pub(super) address: SocketAddr,
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    server: SocketAddr,
    refuses: AtomicBool,
    /// A connection ends after so many bytes of the server's, if it began while this was set.
    limit: AtomicUsize,
    cuts: AtomicUsize,
}

impl TcpProxy {
    /// Starts a proxy that passes everything on.
    pub(super) fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let rules = Arc::new(Rules {
            server,
            refuses: AtomicBool::new(false),
            limit: AtomicUsize::new(usize::MAX),
            cuts: AtomicUsize::new(0),
        });
        let shared = rules.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rules = shared.clone();
                // A client sees a closed connection, whatever the error was.
                thread::spawn(move || rules.serve(&client));
            }
        });
        Ok(Self { address, rules })
    }

    /// Closes new connections at once, or no longer.
    pub(super) fn refuse(&self, refuses: bool) {
        self.rules.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Cuts each new connection after `bytes` of the server's.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.rules.limit.store(bytes, Ordering::SeqCst);
    }

    /// The connections that were cut.
    pub(super) fn cuts(&self) -> usize {
        self.rules.cuts.load(Ordering::SeqCst)
    }
}

impl Rules {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        if self.refuses.load(Ordering::SeqCst) {
            return Ok(());
        }
        let limit = self.limit.load(Ordering::SeqCst);
        let server = TcpStream::connect(self.server)?;
        thread::scope(|scope| {
            scope.spawn(|| {
                // Ends when either side closes.
                let _ = io::copy(&mut &*client, &mut &server);
                let _ = server.shutdown(Shutdown::Both);
            });
            let passed = io::copy(&mut (&server).take(limit as u64), &mut &*client);
            if passed.is_ok_and(|bytes| bytes == limit as u64) {
                self.cuts.fetch_add(1, Ordering::SeqCst);
            }
            let _ = server.shutdown(Shutdown::Both);
            let _ = (&mut &*client).flush();
            client.shutdown(Shutdown::Both)
        })
    }
}
