//! A headless Chromium, driven through `WebDriver` (W3C).

use std::sync::Mutex;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, Locator};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use crate::driver::Driver;
use crate::support::PATIENCE;

/// The places of browsers. The tests of the page take longest of all, and wait half of their time.
static PLACES: Semaphore = Semaphore::const_new(3);
/// The browsers that earlier tests left.
static LEFT: Mutex<Vec<Driver>> = Mutex::new(Vec::new());

/// A browser with one tab and nothing else from before.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Driver,
    _place: SemaphorePermit<'static>,
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

impl Browser {
    /// A browser with the preferred language `language` and a screen of this width and height.
    pub(crate) async fn start(language: &str, dark: bool, size: (u32, u32)) -> Self {
        let browser = Self::start_or_take(size).await;
        if language != "en" {
            let agent = browser.eval("return navigator.userAgent").await;
            let preferred = json!({ "userAgent": agent, "acceptLanguage": language });
            browser
                .devtools("Emulation.setUserAgentOverride", preferred)
                .await;
        }
        if dark {
            let feature = json!({ "name": "prefers-color-scheme", "value": "dark" });
            let media = json!({ "features": [feature] });
            browser.devtools("Emulation.setEmulatedMedia", media).await;
        }
        browser
    }

    /// A browser in English with scripts off.
    pub(crate) async fn start_without_scripts(size: (u32, u32)) -> Self {
        let browser = Self::start_or_take(size).await;
        let off = json!({ "value": true });
        browser
            .devtools("Emulation.setScriptExecutionDisabled", off)
            .await;
        browser
    }

    async fn start_or_take(size: (u32, u32)) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let left = LEFT.lock().unwrap().pop();
        let (driver, client) = match left {
            None => Driver::start(size).await,
            Some(driver) => {
                let client = driver.client().await;
                client.set_window_size(size.0, size.1).await.unwrap();
                (driver, client)
            }
        };
        Self {
            client,
            driver,
            _place: place,
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

    /// Waits until `script` returns a true value. One that reads what is not there yet is not true yet. The page looks
    /// for itself: a command for each look would keep a processor busy.
    #[track_caller]
    pub(crate) fn wait_for<'a>(&'a self, script: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            let script = format!(
                "const [done] = arguments, end = Date.now() + 1000;
                const look = () => {{
                    try {{ if ({script}) return done(true); }}
                    catch (error) {{ if (!(error instanceof TypeError)) return done(String(error)); }}
                    if (Date.now() < end) setTimeout(look, 10); else done(false);
                }};
                look();"
            );
            loop {
                // A page that is left takes the look with it.
                let found = self.client.execute_async(&script, Vec::new()).await;
                match found {
                    Ok(Value::Bool(true)) => return,
                    Ok(Value::String(error)) => panic!("{caller}: {error}"),
                    _ if Instant::now() < deadline => sleep(Duration::from_millis(10)).await,
                    _ => {
                        let body = self.eval("return document.body.innerText").await;
                        panic!("{caller}: `{script}` stays false: {body}");
                    }
                }
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

    /// Leaves the browser to the next test: with one new tab, and nothing of this test. That of a test
    /// which failed is not left to another one.
    pub(crate) async fn close(self) {
        let origin = self.client.current_url().await.unwrap().origin();
        let storage = json!({ "origin": origin.ascii_serialization(), "storageTypes": "all" });
        let client = self.client.clone();
        let old = client.windows().await.unwrap();
        let new = client.new_window(true).await.unwrap().handle;
        for tab in old {
            client.switch_to_window(tab).await.unwrap();
            client.close_window().await.unwrap();
        }
        client.switch_to_window(new).await.unwrap();
        if origin.is_tuple() {
            self.devtools("Storage.clearDataForOrigin", storage).await;
        }
        for kind in ["Cookies", "Cache"] {
            let clear = format!("Network.clearBrowser{kind}");
            self.devtools(&clear, json!({})).await;
        }
        self.console_errors().await;
        LEFT.lock().unwrap().push(self.driver);
    }
}
