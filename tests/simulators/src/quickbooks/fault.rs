//! What the vendor answers when it refuses (vendor notes, section 7).

use serde::Serialize;

use super::wire::stamp;
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Malformed;
use jiff::Timestamp;

/// One error of a `Fault`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Error {
    #[serde(rename = "Message")]
    pub(crate) message: &'static str,
    #[serde(rename = "Detail")]
    pub(crate) detail: String,
    pub(crate) code: &'static str,
    pub(crate) element: String,
}

/// Why a call is not carried out.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The vendor's own refusal.
    Fault(Box<Error>),
    /// Nothing that the simulator could say with certainty.
    NotModelled(String),
}

#[derive(Serialize)]
pub(crate) struct FaultBody<'fault> {
    #[serde(rename = "Error")]
    errors: [&'fault Error; 1],
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'fault> FaultBody<'fault> {
    pub(crate) fn of(error: &'fault Error) -> Self {
        let kind = match error.code {
            "120" => "AuthorizationFault",
            _ => "ValidationFault",
        };
        Self { errors: [error], kind }
    }
}

#[derive(Serialize)]
struct Whole<'fault> {
    #[serde(rename = "Fault")]
    fault: FaultBody<'fault>,
    time: String,
}

impl Refusal {
    pub(crate) fn not_modelled(what: &str) -> Self {
        Self::NotModelled(what.to_owned())
    }

    fn fault(code: &'static str, message: &'static str, detail: impl Into<String>, element: &str) -> Self {
        Self::Fault(Box::new(Error { message, detail: detail.into(), code, element: element.to_owned() }))
    }

    /// The reply to a single call.
    pub(crate) fn reply(&self, now: Timestamp) -> Reply {
        match self {
            Self::NotModelled(what) => Reply::not_modelled(what),
            Self::Fault(error) => {
                let whole = Whole { fault: FaultBody::of(error), time: stamp(now) };
                match serde_json::to_string(&whole) {
                    Ok(text) => Reply::json(400, text),
                    Err(error) => Reply::new(500, "text/plain", error.to_string()),
                }
            }
        }
    }

    /// 120: the administrator who connected has lost their rights (section 1).
    pub(crate) fn rights_lost() -> Self {
        Self::fault("120", "Authorization Failure", "AuthorizationFailure: -11014", "")
    }

    /// 610, with status 400.
    pub(crate) fn not_found() -> Self {
        let detail = "Object Not Found : Something you're trying to use has been made inactive. Check the fields with accounts, customers, items, vendors or employees.";
        Self::fault("610", "Object Not Found", detail, "")
    }

    /// 1040: too many items in a batch (section 5).
    pub(crate) fn batch_too_large(most: usize) -> Self {
        Self::fault("1040", "Batch item limit exceeded", format!("A batch takes at most {most} items."), "")
    }

    /// A body that is not what the route reads. The vendor's code for it is not in the notes: 2010, as for an unsupported property.
    pub(crate) fn malformed(detail: &str) -> Self {
        Self::fault("2010", "Request has invalid or unsupported property", detail, "")
    }

    /// 2020.
    pub(crate) fn missing(parameter: &str) -> Self {
        let detail = format!("Required parameter {parameter} is missing in the request");
        Self::fault("2020", "Required param missing, need to supply the required value for the API", detail, parameter)
    }

    /// 2050.
    pub(crate) fn too_long(element: &str, most: usize, length: usize) -> Self {
        let detail =
            format!("String length specified does not match the supported length. Min:0 Max:{most} supported. Supplied length:{length}");
        Self::fault("2050", "String length is either shorter or longer than supported by specification", detail, element)
    }

    /// 2170.
    pub(crate) fn enumeration(element: &str, value: &str) -> Self {
        Self::fault("2170", "Invalid Enumeration", format!("Invalid Enumeration : {value} is no value of {element}"), element)
    }

    /// 2500: unknown or inactive.
    pub(crate) fn reference(element: &str, id: &str) -> Self {
        Self::fault("2500", "Invalid Reference Id", format!("Invalid Reference Id : {element} element id {id} not found"), element)
    }

    /// 4001.
    pub(crate) fn query(detail: impl Into<String>) -> Self {
        Self::fault("4001", "Invalid query", detail, "")
    }

    /// 500.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::fault("500", "Unsupported Operation", format!("Operation {what} is not supported."), "")
    }

    /// 5010.
    pub(crate) fn stale() -> Self {
        let detail = "Stale Object Error : You and another user were working on this at the same time. They finished before you did, so your work was not saved.";
        Self::fault("5010", "Stale Object Error", detail, "")
    }

    /// 6000: a rule of the business.
    pub(crate) fn business(detail: &str) -> Self {
        let message = "A business validation error has occurred while processing your request";
        Self::fault("6000", message, format!("Business Validation Error: {detail}"), "")
    }

    /// 6070.
    pub(crate) fn amount(detail: String) -> Self {
        Self::fault("6070", "Amount calculation incorrect in the request", detail, "Line.Amount")
    }

    /// 6140.
    pub(crate) fn duplicate_number(number: &str, id: &str) -> Self {
        let detail = format!(
            "Duplicate Document Number Error : You must specify a different number. This number has already been used. DocNumber={number} is assigned to TxnType=Invoice with TxnId={id}"
        );
        Self::fault("6140", "Duplicate Document Number Error", detail, "DocNumber")
    }

    /// 6190.
    pub(crate) fn subscription_ended() -> Self {
        let detail = "Subscription period has ended or canceled or there was a billing problem";
        Self::fault("6190", "Invalid Company Status", detail, "")
    }

    /// 6210.
    pub(crate) fn books_closed() -> Self {
        let detail = "The account period has closed and the account books cannot be updated through the QBO Services API. Please check with your account administrator.";
        Self::fault("6210", "Account Period Closed, Cannot Update Through Services API", detail, "")
    }

    /// 6240.
    pub(crate) fn duplicate_name(who: &str) -> Self {
        let detail = format!("The name supplied already exists. : Another {who} is already using this name. Please use a different name.");
        Self::fault("6240", "Duplicate Name Exists Error", detail, "")
    }

    /// 6540.
    pub(crate) fn deposited() -> Self {
        let detail = "Deposited Transaction cannot be changed : This transaction has been deposited. If you want to change or delete it, you must edit the deposit it appears on and remove it first.";
        Self::fault("6540", "Deposited Transaction cannot be changed", detail, "")
    }

    /// What a person would read of it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Fault(error) => error.detail.clone(),
            Self::NotModelled(what) => format!("the simulator does not model {what}"),
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(why): Malformed) -> Self {
        Self::malformed(&why)
    }
}

#[derive(Serialize)]
struct GatewayError<'text> {
    message: &'text str,
    detail: &'text str,
    code: &'text str,
    element: Option<&'text str>,
}

#[derive(Serialize)]
struct GatewayFault<'text> {
    error: [GatewayError<'text>; 1],
    #[serde(rename = "type")]
    kind: &'text str,
}

#[derive(Serialize)]
struct Gateway<'text> {
    warnings: Option<()>,
    #[serde(rename = "intuitObject")]
    intuit_object: Option<()>,
    fault: GatewayFault<'text>,
    report: Option<()>,
    time: i64,
}

/// A refusal of the gateway, in lower case. For 429 the notes leave the casing open (section 7); its message is of the gateway's form, so
/// the gateway's casing is taken.
fn gateway(status: u16, kind: &str, code: &str, name: &str, detail: &str, now: Timestamp) -> Reply {
    let message = format!("message={name}; errorCode=00{code}; statusCode={status}");
    let error = GatewayError { message: &message, detail, code, element: None };
    let body = Gateway {
        warnings: None,
        intuit_object: None,
        fault: GatewayFault { error: [error], kind },
        report: None,
        time: now.as_millisecond(),
    };
    match serde_json::to_string(&body) {
        Ok(text) => Reply::json(status, text),
        Err(error) => Reply::new(500, "text/plain", error.to_string()),
    }
}

/// 401: no token, an unknown one, or one that has expired.
pub(crate) fn unauthenticated(detail: &str, now: Timestamp) -> Reply {
    gateway(401, "AUTHENTICATION", "3200", "AuthenticationFailed", detail, now)
        .with("www-authenticate", "Bearer realm=\"Intuit\", error=\"invalid_token\"")
}

/// 403: the token is of another company than the path. The notes know the code from memory alone and not its casing; it comes from the
/// gateway, so it is worded as the gateway's 401.
pub(crate) fn unauthorised(now: Timestamp) -> Reply {
    let detail = "The token is not of this company";
    gateway(403, "AUTHORIZATION", "3100", "ApplicationAuthorizationFailed", detail, now)
}

/// 429 (section 6); the vendor promises no `Retry-After`.
pub(crate) fn throttled(now: Timestamp) -> Reply {
    gateway(429, "SERVICE", "3001", "ThrottleExceeded", "The request limit was reached. Try again later", now)
}
