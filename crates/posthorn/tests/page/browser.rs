//! A headless Chromium, driven through `WebDriver` (W3C), with a profile of its own.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use crate::support::PATIENCE;

/// One browser at a time: each uses a whole processor.
static TURN: Mutex<()> = Mutex::const_new(());

/// A browser, which ends when it is dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    _driver: Child,
    profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The console messages of the page since the last call.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A command of the Chrome `DevTools` protocol.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

impl Drop for Browser {
    /// A failed test leaves the session open, and the browser would outlive its driver.
    fn drop(&mut self) {
        let profile = self.profile.path().display().to_string();
        let _ = std::process::Command::new("pkill")
            .args(["-KILL", "-f", &profile])
            .status();
    }
}

impl Browser {
    /// Starts a browser with the preferred language `language` and a screen of this width and height.
    pub(crate) async fn start(language: &str, dark: bool, size: (u32, u32)) -> Self {
        let preferences = json!({ "intl.accept_languages": language });
        Self::start_with(preferences, dark, size).await
    }

    /// As [`Browser::start`], with scripts off.
    pub(crate) async fn start_without_scripts(language: &str, size: (u32, u32)) -> Self {
        let preferences = json!({
            "intl.accept_languages": language,
            "profile.managed_default_content_settings.javascript": 2,
        });
        Self::start_with(preferences, false, size).await
    }

    async fn start_with(preferences: Value, dark: bool, size: (u32, u32)) -> Self {
        let turn = TURN.lock().await;
        let profile = TempDir::new().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed: `cargo xtask setup`");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it starts");
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        });
        let port = port.await.expect("the driver starts");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--force-prefers-reduced-motion".to_owned(),
            format!("--window-size={},{}", size.0, size.1),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let capabilities = json!({
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": preferences,
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is an object");
        };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the browser starts");
        Self {
            client,
            _driver: driver,
            profile,
            _turn: turn,
        }
    }

    /// Runs a script and returns its result.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Runs a command of the `DevTools` protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(DevTools(command)).await.unwrap()
    }

    /// Gives the page another size, below what a window may have; `scale` is the zoom.
    pub(crate) async fn resize(&self, width: u32, height: u32, scale: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// Types a key on what has the focus.
    pub(crate) async fn press(&self, key: &str) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(key).await.unwrap();
    }

    /// The text of the element `id`.
    pub(crate) async fn text(&self, id: &str) -> String {
        let script = format!("return document.getElementById('{id}').textContent");
        self.eval(&script).await.as_str().unwrap().to_owned()
    }

    /// The text of the first element that `selector` finds on the page that a click leads to. Until that page is there, a
    /// command may be aborted by the navigation.
    pub(crate) async fn text_of_next(&self, selector: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = match self.client.find(Locator::Css(selector)).await {
                Ok(element) => element.text().await,
                Err(error) => Err(error),
            };
            match found {
                Ok(text) => return text,
                Err(error) if Instant::now() > deadline => panic!("{selector}: {error}"),
                Err(_) => sleep(Duration::from_millis(25)).await,
            }
        }
    }

    /// Waits until `script` returns a true value.
    #[track_caller]
    pub(crate) fn wait_for<'a>(&'a self, script: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            while self.eval(&format!("return Boolean({script})")).await != json!(true) {
                if Instant::now() > deadline {
                    let body = self.eval("return document.body.innerText").await;
                    panic!("{caller}: `{script}` stays false: {body}");
                }
                sleep(Duration::from_millis(25)).await;
            }
        }
    }

    /// Waits until the page follows its topic.
    pub(crate) async fn connected(&self) {
        self.wait_for("/Connected|На связи/.test(document.getElementById('link').textContent)")
            .await;
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap();
        element.click().await.unwrap();
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// The errors on the console since the last call.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let log = self.client.issue_cmd(ConsoleLog).await.unwrap();
        let entries = log.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}
