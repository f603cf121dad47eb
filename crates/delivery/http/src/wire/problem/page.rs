//! A problem as a page, for people who submitted a form.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::ApiError;
use crate::settings::Locale;
use crate::wire::html;

/// The page: the texts of the problem document.
#[derive(Template)]
#[template(path = "form_problem.html")]
struct FormProblemPage<'a> {
    locale: Locale,
    base: &'a str,
    title: &'static str,
    detail: String,
    /// Each failing field with the broken rule.
    fields: Vec<(&'a str, String)>,
    /// What the user can do.
    advice: &'static str,
    request_id: &'a str,
}

impl ApiError {
    /// The response with a page about the problem; `base` is the prefix of the paths of links.
    ///
    /// # Errors
    /// The page cannot be rendered.
    pub(crate) fn page(
        &self,
        request_id: &str,
        locale: Locale,
        base: &str,
    ) -> Result<HttpResponse, Self> {
        let fields = self.fields.iter();
        let page = FormProblemPage {
            locale,
            base,
            title: self.code.title(locale),
            // The document of the problem lists the fields in `errors`, the page below.
            detail: if self.fields.is_empty() {
                self.detail(locale)
            } else {
                let text = locale.pick("Эти поля заполнены неверно.", "These fields are invalid.");
                text.to_owned()
            },
            fields: fields
                .map(|problem| {
                    let field = problem.field.as_str();
                    (field, problem.code.text(field, locale))
                })
                .collect(),
            advice: advice(self.status(false), locale),
            request_id,
        };
        html::finish(self.head(self.status(false)), &page, locale)
    }
}

/// What the user of a form can do about an error.
fn advice(status: StatusCode, locale: Locale) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => locale.pick(
            "Форма не может отправить это сообщение. Сообщите об этом владельцу сайта.",
            "The form cannot send this message. Tell the owner of the site.",
        ),
        StatusCode::TOO_MANY_REQUESTS => locale.pick(
            "Подождите, вернитесь назад и отправьте форму снова.",
            "Wait a while, go back and send the form again.",
        ),
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => locale.pick(
            "Вернитесь назад и отправьте форму снова немного позже.",
            "Go back and send the form again a little later.",
        ),
        _ => locale.pick(
            "Вернитесь назад, исправьте форму и отправьте её снова.",
            "Go back, correct the form and send it again.",
        ),
    }
}
