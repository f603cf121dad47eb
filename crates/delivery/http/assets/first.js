// Runs before the page is shown, and is no module. It asks at once for the messages that the modules will need, unless the
// page has them already, and hides those of the inbox if the URL names another topic.
{
  const root = document.documentElement;
  const { base = '', given = '' } = document.currentScript?.dataset ?? {};
  if ('noModule' in HTMLScriptElement.prototype) root.classList.add('js');
  const [, topic] = /^#\/([a-z0-9][a-z0-9._-]{0,63})(\/|$)/.exec(location.hash) ?? ['', 'inbox'];
  if (topic !== 'inbox') root.classList.add('elsewhere');
  if (topic !== 'inbox' || given !== 'true') {
    const path = `/api/v1/topics/${topic}/messages?order=desc&limit=50`;
    let token = null;
    try { token = sessionStorage.getItem('token'); } catch { /* The browser blocks it. */ }
    /** @type {Record<string, string>} */
    const headers = { 'Accept-Language': root.lang };
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = fetch(base + path, { cache: 'no-store', headers });
    answer.catch(() => {}); // The list sees the error.
    Object.assign(globalThis, { given: { path, answer } });
  }
}
