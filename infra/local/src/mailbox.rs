//! Mails that the product "sent" locally.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Address of the recipient.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// The mails, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Mail>>>);

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a mail in.
    pub fn deliver(&self, mail: Mail) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
    }

    /// All mails, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_kept_in_the_order_they_were_sent() {
        let mailbox = Mailbox::new();
        for to in ["ann@example.com", "bob@example.com"] {
            mailbox.clone().deliver(Mail { to: to.to_owned(), subject: "Your invoice".to_owned(), text: "It is ready.".to_owned() });
        }
        let seen = serde_json::to_value(mailbox.mails()).unwrap();
        assert_eq!(seen[0]["to"], "ann@example.com");
        assert_eq!(seen[1]["to"], "bob@example.com");
        assert_eq!(seen[1]["text"], "It is ready.");
    }
}
