//! The parts of the inbox page. What needs the script stays hidden until it runs; what the server
//! knows is there without it.

use crate::settings::Locale;

/// What the page is, and the switch of its language.
pub(super) fn header(locale: Locale, name: &str) -> String {
    let skip = locale.pick("К содержанию", "Skip to the content");
    let what = locale.pick("Почтовый ящик сообщений по HTTP", "An HTTP message inbox");
    let languages = locale.pick("Язык", "Language");
    let language = |tag: &str, label: &str| {
        let current = if tag == locale.as_str() {
            " aria-current=\"true\""
        } else {
            ""
        };
        format!("<a href=\"/?lang={tag}\" hreflang=\"{tag}\" lang=\"{tag}\"{current}>{label}</a>")
    };
    format!(
        "<a class=\"skip\" href=\"#main\">{skip}</a>\
         <header><h1>{name}</h1><p>{what}</p>\
         <nav aria-label=\"{languages}\">{}{}</nav></header>",
        language("ru", "Русский"),
        language("en", "English")
    )
}

/// What has to be said before everything else.
pub(super) fn notes(locale: Locale) -> String {
    let script = locale.pick(
        "Чтобы отправлять и читать сообщения здесь, нужен JavaScript. Без него — так:",
        "To send and read messages here, JavaScript is needed. Without it:",
    );
    format!(
        "<p class=\"note bad\" id=\"state\" role=\"status\" hidden></p>\
         <noscript><div class=\"note\"><p>{script}</p><pre tabindex=\"0\">curl -X POST \
         -H 'Content-Type: application/json' -d '{{\"message\": \"…\"}}' …/api/v1/message</pre></div>\
         </noscript>"
    )
}

/// The form that sends a message.
pub(super) fn send_form(locale: Locale) -> String {
    let heading = locale.pick("Отправить сообщение", "Send a message");
    let text = locale.pick("Сообщение", "Message");
    let topic = locale.pick("Тема", "Topic");
    let send = locale.pick("Отправить", "Send");
    format!(
        "<section class=\"card needs-script\" aria-labelledby=\"send-h\" hidden>\
         <h2 id=\"send-h\">{heading}</h2><form id=\"send\" novalidate>\
         <label for=\"text\">{text}</label>\
         <textarea id=\"text\" required aria-describedby=\"count text-error\"></textarea>\
         <p class=\"hint\" id=\"count\"></p><p class=\"error\" id=\"text-error\" hidden></p>\
         <div class=\"row\"><div class=\"grow\"><label for=\"topic\">{topic}</label>\
         <input id=\"topic\" placeholder=\"inbox\" autocapitalize=\"none\" autocomplete=\"off\" \
         spellcheck=\"false\" aria-describedby=\"topic-error\"></div>\
         <button id=\"send-button\">{send}</button></div>\
         <p class=\"error\" id=\"topic-error\" hidden></p>\
         <p class=\"hint\" id=\"countdown\"></p>\
         <output id=\"receipt\" role=\"status\"></output></form></section>"
    )
}

/// The topics and the live list.
pub(super) fn messages(locale: Locale) -> String {
    let heading = locale.pick("Сообщения", "Messages");
    let topics = locale.pick("Темы", "Topics");
    let empty = locale.pick("Сообщений пока нет.", "No messages yet.");
    let older = locale.pick("Раньше", "Older");
    let enter = locale.pick("Ввести токен", "Enter a token");
    let forget = locale.pick("Забыть токен", "Forget the token");
    format!(
        "<section class=\"card needs-script\" aria-labelledby=\"inbox-h\" hidden>\
         <h2 id=\"inbox-h\">{heading}: <span id=\"topic-name\">inbox</span></h2>\
         <ul class=\"topics\" id=\"topics\" aria-label=\"{topics}\"></ul>\
         <p class=\"hint\" id=\"link\" role=\"status\"></p>\
         <p class=\"row\" id=\"access\" hidden><button type=\"button\" class=\"plain\" id=\"token-open\">{enter}</button>\
         <button type=\"button\" class=\"plain\" id=\"token-forget\" hidden>{forget}</button></p>\
         <p id=\"empty\" hidden>{empty}</p>\
         <ol class=\"messages\" id=\"messages\" aria-labelledby=\"inbox-h\"></ol>\
         <button type=\"button\" class=\"plain\" id=\"older\" hidden>{older}</button>\
         <p class=\"quiet\" id=\"announcer\" role=\"status\" aria-live=\"polite\"></p></section>"
    )
}

/// Who answers; `facts` are the terms and their values.
pub(super) fn service(locale: Locale, facts: &str) -> String {
    let heading = locale.pick("Сервис", "Service");
    let uptime = locale.pick("Работает", "Uptime");
    let health = locale.pick("Состояние", "Health");
    let rate = locale.pick("Запросы", "Requests");
    let latency = locale.pick("Время ответа", "Latency");
    let chart = |id: &str, label: &str| {
        format!(
            "<div><p>{label}</p><div class=\"figure\" id=\"{id}\">–</div>\
             <svg class=\"chart\" id=\"{id}-chart\" viewBox=\"0 0 100 31\" preserveAspectRatio=\"none\" \
             aria-hidden=\"true\"><polyline points=\"\"/></svg></div>"
        )
    };
    format!(
        "<section class=\"card\" aria-labelledby=\"service-h\"><h2 id=\"service-h\">{heading}</h2>\
         <dl>{facts}<dt class=\"needs-script\" hidden>{health}</dt>\
         <dd class=\"needs-script\" id=\"health\" hidden>–</dd><dt class=\"needs-script\" hidden>{uptime}</dt>\
         <dd class=\"needs-script\" id=\"uptime\" hidden>–</dd></dl>\
         <div class=\"charts needs-script\" hidden>{}{}</div></section>",
        chart("rate", rate),
        chart("latency", latency)
    )
}

/// The questions that the page asks.
pub(super) fn dialogs(locale: Locale) -> String {
    let really = locale.pick("Удалить сообщение?", "Delete the message?");
    let delete = locale.pick("Удалить", "Delete");
    let cancel = locale.pick("Отмена", "Cancel");
    let token = locale.pick("Токен", "Token");
    let use_it = locale.pick("Использовать", "Use it");
    let kept = locale.pick(
        "Он хранится только в этой вкладке и не попадает в адрес.",
        "It is kept in this tab only and never becomes part of an address.",
    );
    format!(
        "<dialog id=\"delete-dialog\" aria-labelledby=\"delete-h\">\
         <form id=\"delete-form\" method=\"dialog\"><h2 id=\"delete-h\">{really}</h2>\
         <p id=\"delete-text\"></p><p class=\"row\"><button id=\"delete-button\">{delete}</button>\
         <button type=\"button\" class=\"plain\" id=\"delete-cancel\">{cancel}</button></p></form></dialog>\
         <dialog id=\"token-dialog\" aria-labelledby=\"token-h\">\
         <form id=\"token-form\" method=\"dialog\"><h2 id=\"token-h\">{token}</h2>\
         <p id=\"token-reason\" role=\"status\"></p><label for=\"token\">{token}</label>\
         <input id=\"token\" type=\"password\" autocomplete=\"off\" aria-describedby=\"token-kept\">\
         <p class=\"hint\" id=\"token-kept\">{kept}</p>\
         <p class=\"row\"><button id=\"token-button\">{use_it}</button>\
         <button type=\"button\" class=\"plain\" id=\"token-cancel\">{cancel}</button></p></form></dialog>"
    )
}
