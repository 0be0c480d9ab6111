//! The parts of the local cloud, put together as the template says.

use std::path::Path;

use crate::aws_endpoint::Cloud;
use crate::aws_json::{ACCOUNT, REGION};
use crate::clock::Clock;
use crate::doubles::kms::{Kms, KmsError};
use crate::doubles::sqs::{self, Sqs, SqsError};
use crate::doubles::ssm::Ssm;
use crate::issuer::{Issuer, IssuerError};
use crate::mailbox::Mailbox;
use crate::table::{Table, TableError};
use crate::template::{Bindings, Template, TemplateError};

/// Name of the table in the local cloud.
pub const TABLE_NAME: &str = "coportal";

/// Why the local cloud could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The template is not understood.
    #[error("infra/template.yaml: {0}")]
    Template(#[from] TemplateError),
    /// The table could not be opened.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The keys could not be made.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The queues could not be opened.
    #[error(transparent)]
    Sqs(#[from] SqsError),
    /// The issuer could not be opened.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The folder for what is kept could not be made.
    #[error("{0}")]
    Folder(#[from] std::io::Error),
}

/// Everything but the functions and the simulators. Clones share it.
#[derive(Clone)]
pub struct LocalCloud {
    /// Moves everything.
    pub clock: Clock,
    /// The deployed template.
    pub template: &'static Template,
    /// DynamoDB, KMS, SQS and SSM.
    pub cloud: Cloud,
    /// Signs bearer tokens.
    pub issuer: Issuer,
    /// Mails "sent".
    pub mailbox: Mailbox,
    origin: String,
}

impl LocalCloud {
    /// Puts the parts together. `origin` is the gateway's own address; under `data`, table, keys, queues and issuer outlive the process.
    ///
    /// # Errors
    /// When the template is not understood, or what is kept cannot be opened.
    pub fn open(origin: &str, data: Option<&Path>, clock: Clock) -> Result<Self, AssemblyError> {
        let template = Template::deployed()?;
        let shape = template.tables.get("Table").ok_or_else(|| TemplateError {
            element: "Resources".to_owned(),
            line: None,
            problem: "lacks `Table`".to_owned(),
        })?;
        let (table, kms, sqs, issuer) = match data {
            None => (
                Table::in_memory(TABLE_NAME, shape, &clock)?,
                Kms::in_memory(&template.keys, &clock)?,
                Sqs::in_memory(&template.queues, &clock),
                Issuer::in_memory(origin, clock.clone())?,
            ),
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                (
                    Table::in_file(&folder.join("table.db"), TABLE_NAME, shape)?,
                    Kms::kept(&template.keys, &clock, &folder.join("keys.json"))?,
                    Sqs::kept(&template.queues, &clock, &folder.join("queues.json"))?,
                    Issuer::kept(origin, clock.clone(), &folder.join("issuer.json"))?,
                )
            }
        };
        let ssm = Ssm::new(clock.clone());
        Ok(Self {
            cloud: Cloud::new(clock.clone(), table, kms, sqs, ssm),
            clock,
            template,
            issuer,
            mailbox: Mailbox::new(),
            origin: origin.to_owned(),
        })
    }

    /// What the template's references mean here, so that a function's environment is worked out as CloudFormation would.
    #[must_use]
    pub fn bindings(&self) -> Bindings {
        let mut bindings = Bindings::default()
            .reference("AWS::Region", REGION)
            .reference("AWS::AccountId", ACCOUNT)
            .reference("AWS::Partition", "aws")
            .reference("AWS::URLSuffix", "amazonaws.com")
            .reference("AWS::StackName", "local")
            .reference("Api", "local")
            .reference("Table", self.cloud.table().name())
            .reference("PublicOrigin", &self.origin)
            .reference("AppOrigin", &self.origin)
            .reference("TokenIssuer", self.issuer.iss())
            .reference("TokenJwksUrl", &format!("{}{}", self.origin, crate::issuer::JWKS_PATH));
        for queue in self.template.queues.keys() {
            bindings =
                bindings.reference(queue, &sqs::url(queue)).attribute(queue, "Arn", &sqs::arn(queue)).attribute(queue, "QueueName", queue);
        }
        for key in self.template.keys.keys() {
            if let Some(arn) = self.cloud.kms().arn(key) {
                bindings = bindings.attribute(key, "Arn", &arn);
            }
        }
        bindings
    }
}
