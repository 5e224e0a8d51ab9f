//! HTTP/1.1 as this server speaks it: the head of a request, and an answer. Pure: bytes in, bytes out.

use std::io::Write;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer heads are refused (431). What browsers send is below 4 KiB; others allow 8 to 16.
pub(crate) const HEAD_MAX: usize = 16 << 10;
/// So are more fields than this.
pub(crate) const FIELDS_MAX: usize = 64;
/// Longer bodies are refused (413).
pub(crate) const BODY_MAX: usize = 64 << 10;

/// What a client may ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Where its target is, in what was parsed.
    pub(crate) target: std::ops::Range<usize>,
    /// Where its head ends.
    pub(crate) length: usize,
    pub(crate) body: usize,
    /// The connection goes on after it.
    pub(crate) keeps_alive: bool,
    /// The client waits to be told to send the body.
    pub(crate) expects: bool,
}

/// An answer's number and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16, pub(crate) &'static str);

pub(crate) const OK: Status = Status(200, "OK");
pub(crate) const BAD_REQUEST: Status = Status(400, "Bad Request");
pub(crate) const NOT_FOUND: Status = Status(404, "Not Found");
pub(crate) const NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
pub(crate) const TIMEOUT: Status = Status(408, "Request Timeout");
pub(crate) const TOO_LARGE: Status = Status(413, "Content Too Large");
pub(crate) const HEAD_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");
pub(crate) const NOT_IMPLEMENTED: Status = Status(501, "Not Implemented");

/// Reads a head. `Ok(None)`: it has not come as a whole. `Err`: the answer, after which the connection ends, as nobody
/// knows where the next request begins.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request>, Status> {
    // Two KiB that are not written before they are needed.
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut []);
    let length = match head.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length > HEAD_MAX => return Err(HEAD_TOO_LARGE),
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= HEAD_MAX => return Err(HEAD_TOO_LARGE),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HEAD_TOO_LARGE),
        Err(_) => return Err(BAD_REQUEST),
    };
    let is_new = head.version == Some(1);
    let (mut hosts, mut body, mut keeps_alive, mut expects) = (0, None, is_new, false);
    for field in head.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
        } else if is("content-length") {
            let text = std::str::from_utf8(field.value).map_err(|_| BAD_REQUEST)?;
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BAD_REQUEST);
            }
            // More digits than fit are more than is allowed.
            let length = text.parse().unwrap_or(usize::MAX);
            if body.is_some_and(|body| body != length) {
                return Err(BAD_REQUEST);
            }
            body = Some(length);
        } else if is("transfer-encoding") {
            return Err(NOT_IMPLEMENTED);
        } else if is("connection") {
            for word in field.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                keeps_alive &= !word.eq_ignore_ascii_case(b"close");
                keeps_alive |= !is_new && word.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("expect") {
            expects = field.value.eq_ignore_ascii_case(b"100-continue");
        }
    }
    if hosts > 1 || (is_new && hosts == 0) {
        return Err(BAD_REQUEST);
    }
    if body.unwrap_or(0) > BODY_MAX {
        return Err(TOO_LARGE);
    }
    let target = head.path.unwrap_or("/");
    let start = target.as_ptr() as usize - bytes.as_ptr() as usize;
    let method = match head.method.unwrap_or("") {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Other,
    };
    let target = start..start + target.len();
    Ok(Some(Request { method, target, length, body: body.unwrap_or(0), keeps_alive, expects }))
}

/// The time as answers have it, made once a second.
#[derive(Default)]
pub(crate) struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// Such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) fn now(&mut self) -> &str {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        if since != self.second || self.text.is_empty() {
            (self.second, self.text) = (since, date(since));
        }
        &self.text
    }
}

/// The date of a second since 1970.
fn date(since: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (days, second) = (since / 86_400, since % 86_400);
    // Years that begin in March have the day that comes and goes at their end.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (name, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize]);
    format!("{name}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// An answer to be.
pub(crate) struct Answer<'a> {
    pub(crate) status: Status,
    pub(crate) kind: &'static str,
    pub(crate) body: &'a [u8],
    /// What else is in its head: whole lines.
    pub(crate) more: &'static str,
}

impl<'a> Answer<'a> {
    pub(crate) fn text(status: Status, body: &'a [u8]) -> Answer<'a> {
        Answer { status, kind: "text/plain; charset=utf-8", body, more: "" }
    }

    /// Appends it. To `HEAD` goes all but the body.
    pub(crate) fn write(&self, output: &mut Vec<u8>, date: &mut Date, method: Method, keeps_alive: bool) {
        let Status(number, reason) = self.status;
        let (date, kind, more, length) = (date.now(), self.kind, self.more, self.body.len());
        let close = if keeps_alive { "" } else { "connection: close\r\n" };
        write!(
            output,
            "HTTP/1.1 {number} {reason}\r\ndate: {date}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}{close}\r\n"
        )
        .expect("a vector takes all");
        if method != Method::Head {
            output.extend_from_slice(self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_head_says_what_it_says() {
        let text = "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nxyz";
        let request = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(&text[request.target.clone()], "/a?b");
        assert_eq!((request.method, request.length, request.body), (Method::Post, text.len() - 3, 3));
        assert!(request.keeps_alive && request.expects);
        for length in 0..request.length {
            assert!(parse(&text.as_bytes()[..length]).unwrap().is_none());
        }
        let old = parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().unwrap();
        assert!(!old.keeps_alive);
        assert!(parse(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().unwrap().keeps_alive);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        assert_eq!(status("nonsense\r\n\r\n"), BAD_REQUEST);
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), BAD_REQUEST);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), BAD_REQUEST);
        let head = "POST / HTTP/1.1\r\nHost: h\r\n";
        for length in ["-1", "+1", "1x", "", "1\r\nContent-Length: 2"] {
            assert_eq!(status(&format!("{head}Content-Length: {length}\r\n\r\n")), BAD_REQUEST, "{length}");
        }
        for length in ["65537", "99999999999999999999999999"] {
            assert_eq!(status(&format!("{head}Content-Length: {length}\r\n\r\n")), TOO_LARGE);
        }
        assert_eq!(status(&format!("{head}Transfer-Encoding: chunked\r\n\r\n")), NOT_IMPLEMENTED);
        assert_eq!(status(&format!("{head}x: {}", "y".repeat(HEAD_MAX))), HEAD_TOO_LARGE);
        assert_eq!(status(&format!("{head}{}\r\n", "x: y\r\n".repeat(FIELDS_MAX + 1))), HEAD_TOO_LARGE);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    }
}
