//! Connections: made, tried, shown, removed.

use coportal_aws::records::sign_in::connections::{HeldMetadata, MetadataSource, SsoConnection};
use coportal_aws::records::sign_in::logins::LoginPurpose;
use coportal_aws::store::Versioned;
use coportal_core::ctx::Ctx;
use coportal_core::door::Enforcement;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_identity::Refusal;
use coportal_identity::oidc::{Hints, Provider};
use coportal_identity::saml::{METADATA_EVERY, MetadataError, SamlIdp, SignedPart, fetch_metadata};
use serde::Deserialize;

use crate::SignIn;
use crate::flow::{Begun, SIGN_IN_PAGE};
use crate::problems::{conflict, on_plan, saved, wrong};
use crate::settings::{GOOGLE, MICROSOFT, SAML, SamlSettings, Speaks, document, from_document, speaks};
use crate::views::ConnectionView;

/// Most connections of one workspace.
const MOST: usize = 10;

/// Which provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
enum ProviderName {
    Google,
    Microsoft,
    Saml,
}

/// A connection to make.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CreateSsoConnection))]
#[serde(deny_unknown_fields)]
pub struct CreateConnection {
    provider: ProviderName,
    /// SAML: where the provider publishes its metadata.
    #[serde(default)]
    metadata_url: Option<String>,
    /// SAML: or the metadata itself.
    #[serde(default)]
    metadata_xml: Option<String>,
    /// SAML: which provider, where the metadata names several.
    #[serde(default)]
    entity_id: Option<String>,
    /// SAML: which signature is asked for; the assertion's where absent.
    #[serde(default)]
    signed: SignedPart,
}

/// What an owner says to metadata that names another provider.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HeldAnswer {
    /// Whether it is stored, or thrown away.
    pub accept: bool,
}

/// Why metadata cannot be used, at the field that it came by.
fn unusable(pointer: &'static str, error: &MetadataError) -> Problem {
    if let MetadataError::Several(entities) = error {
        let issues = entities.iter().map(|entity| {
            Issue::new("/entity_id", error.code(), format!("The metadata names several providers; one of them is {entity}."))
        });
        return Problem::invalid(issues.collect());
    }
    wrong(pointer, error.code(), format!("This metadata cannot be used: {error}."))
}

impl SignIn {
    /// The workspace's connections.
    ///
    /// # Errors
    /// 403 `plan_required`.
    pub async fn connections(&self, ctx: &Ctx, workspace: &Workspace) -> Outcome<Vec<ConnectionView>> {
        on_plan(workspace)?;
        let of = self.store().sso_of(ctx, workspace.id).await?;
        let oidc = self.oidc(ctx).await?;
        of.connections.iter().map(|connection| self.view(ctx, &oidc, connection)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// 404.
    pub async fn connection(&self, ctx: &Ctx, workspace: &Workspace, id: SsoConnectionId) -> Outcome<ConnectionView> {
        on_plan(workspace)?;
        let found = self.own(workspace.id, id).await?;
        self.view(ctx, &*self.oidc(ctx).await?, &found.value)
    }

    /// A connection of this workspace; another's is not there.
    pub(crate) async fn own(&self, ws: WorkspaceId, id: SsoConnectionId) -> Outcome<Versioned<SsoConnection>> {
        let found = self.store().sso_connection(id).await?.filter(|found| found.value.ws == ws);
        found.ok_or_else(|| Problem::not_found("SSO connection"))
    }

    /// Makes a connection. It lets nobody in until a test has passed and somebody switches it on.
    ///
    /// # Errors
    /// 403 `plan_required`; 422 when the metadata cannot be used.
    pub async fn create_connection(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: &UserId,
        request: &CreateConnection,
    ) -> Outcome<ConnectionView> {
        on_plan(workspace)?;
        let CreateConnection { provider, metadata_url, metadata_xml, entity_id, signed } = request;
        let saml_fields = metadata_url.is_some() || metadata_xml.is_some() || entity_id.is_some();
        if *provider != ProviderName::Saml && saml_fields {
            return Err(wrong("/provider", "no_metadata", "Only a SAML connection has metadata."));
        }
        let (name, settings, metadata) = match provider {
            ProviderName::Google => (GOOGLE, Some(document(&Provider::Google { hosted_domain: None })?), None),
            ProviderName::Microsoft => (MICROSOFT, None, None),
            ProviderName::Saml => {
                let (idp, source) = self.metadata(ctx, metadata_url.as_deref(), metadata_xml.as_deref(), entity_id.as_deref()).await?;
                (SAML, Some(document(&SamlSettings { idp, signed: *signed })?), source)
            }
        };
        let directory = self.store().sso_directory(workspace.id).await?;
        if directory.value.connections.len() >= MOST {
            return Err(conflict(
                "too_many_connections",
                format!("A workspace has at most {MOST} connections."),
                "Remove one that is not used.",
            ));
        }
        let connection = SsoConnection {
            id: SsoConnectionId::new(ctx.uuid()),
            ws: workspace.id,
            provider: name.to_owned(),
            settings,
            enforcement: None,
            metadata,
            passed: None,
            last_test: None,
            last_failure: None,
            changed_at: ctx.now(),
            created_at: ctx.now(),
            created_by: by.clone(),
        };
        saved(self.store().create_sso_connection(ctx, &connection, &directory).await?)?;
        let text = format!("A connection to {name} was made. Connection {}.", connection.id);
        self.audit(ctx, workspace.id, Actor::User(by.clone()), "sso_connection_created", text).await?;
        self.view(ctx, &*self.oidc(ctx).await?, &connection)
    }

    /// A provider's metadata, from its URL by the guarded fetch or as it was pasted.
    async fn metadata(
        &self,
        ctx: &Ctx,
        url: Option<&str>,
        xml: Option<&str>,
        entity: Option<&str>,
    ) -> Outcome<(SamlIdp, Option<MetadataSource>)> {
        let guard = &self.outside().guard;
        match (url, xml) {
            (Some(url), None) => {
                let fetched = fetch_metadata(&*self.outside().fetch, guard, url.trim(), entity, ctx.now()).await;
                let idp = fetched.map_err(|error| unusable("/metadata_url", &error))?;
                let due_at = ctx.now().saturating_add(METADATA_EVERY).unwrap_or(jiff::Timestamp::MAX);
                let source = MetadataSource {
                    url: url.trim().to_owned(),
                    entity: entity.map(str::to_owned),
                    fetched_at: ctx.now(),
                    due_at,
                    problem: None,
                    held: None,
                };
                Ok((idp, Some(source)))
            }
            (None, Some(xml)) => {
                let read = SamlIdp::from_metadata(xml, entity, guard, ctx.now());
                Ok((read.map_err(|error| unusable("/metadata_xml", &error))?, None))
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(wrong("/metadata_url", "required", "A SAML connection takes either metadata_url or metadata_xml."))
            }
        }
    }

    /// Begins a test sign-in: it shows the claims and makes no session. On a Microsoft connection without a tenant it binds the tenant.
    ///
    /// # Errors
    /// 404; 503 when the provider cannot be reached, with the reason.
    pub async fn test_connection(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: &UserId,
        id: SsoConnectionId,
        browser: Option<Secret>,
    ) -> Outcome<Begun> {
        on_plan(workspace)?;
        let found = self.own(workspace.id, id).await?;
        let purpose = match speaks(&found.value)? {
            Speaks::Unbound => LoginPurpose::Bind(by.clone()),
            Speaks::Oidc(_) | Speaks::Saml(_) => LoginPurpose::Test(by.clone()),
        };
        let hints = Hints { login_hint: None, domain: None, fresh: true };
        let begun = self.begin(ctx, &found.value, purpose, &hints, SIGN_IN_PAGE, browser).await?;
        begun.map_err(|refusal: Refusal| refusal.problem())
    }

    /// Removes a connection. Whoever came by it is signed out, because the connection is looked for on every request.
    ///
    /// # Errors
    /// 404; 409 `sso_required` while it is the one that the workspace requires.
    pub async fn delete_connection(&self, ctx: &Ctx, workspace: &Workspace, by: &UserId, id: SsoConnectionId) -> Outcome<()> {
        let found = self.own(workspace.id, id).await?;
        if found.value.enforcement == Some(Enforcement::Require) {
            return Err(conflict(
                "sso_required",
                "This workspace requires sign-in by this connection.",
                "Change the enforcement to offer or off first.",
            ));
        }
        let directory = self.store().sso_directory(workspace.id).await?;
        saved(self.store().delete_sso_connection(ctx, &found, &directory).await?)?;
        let text = format!("The connection to {} was removed. Connection {id}.", found.value.provider);
        self.audit(ctx, workspace.id, Actor::User(by.clone()), "sso_connection_removed", text).await
    }

    /// Answers metadata that waits because it names another provider, or the same at another place.
    ///
    /// # Errors
    /// 404; 409 `nothing_held`.
    pub async fn answer_held(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        by: &UserId,
        id: SsoConnectionId,
        answer: HeldAnswer,
    ) -> Outcome<ConnectionView> {
        on_plan(workspace)?;
        let Versioned { value: mut connection, rev } = self.own(workspace.id, id).await?;
        let held = connection.metadata.as_mut().and_then(|metadata| metadata.held.take());
        let Some(HeldMetadata { settings, .. }) = held else {
            return Err(conflict("nothing_held", "No metadata of this connection waits for approval.", "Read the connection again."));
        };
        let (action, text) = if answer.accept {
            let _: SamlSettings = from_document(&settings)?;
            connection.settings = Some(settings);
            connection.changed_at = ctx.now();
            ("sso_metadata_accepted", "Changed metadata was accepted: another entity or place may vouch for users from now on")
        } else {
            ("sso_metadata_rejected", "Changed metadata was thrown away; the stored copy stays in force")
        };
        saved(self.store().save_sso_connection(ctx, rev, &connection).await?)?;
        self.audit(ctx, workspace.id, Actor::User(by.clone()), action, format!("{text}. Connection {id}.")).await?;
        self.view(ctx, &*self.oidc(ctx).await?, &connection)
    }
}
