//! From YAML to the typed template.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::Node;
use super::work;
use super::{
    Effect, Function, Index, Key, KeySchema, LogGroup, Parameter, Projection, Route, Stage, Statement, Table, Template, TemplateError,
};

struct Integration {
    function: String,
    timeout: Duration,
}

/// Reads the whole document.
pub(super) fn template(text: &str) -> Result<Template, TemplateError> {
    let value: serde_norway::Value = serde_norway::from_str(text).map_err(|error| TemplateError {
        element: "template".to_owned(),
        line: error.location().map(|at| at.line()),
        problem: error.to_string(),
    })?;
    let root = Node::root(text, &value);
    root.only(&[
        "AWSTemplateFormatVersion",
        "Transform",
        "Description",
        "Parameters",
        "Rules",
        "Conditions",
        "Globals",
        "Resources",
        "Outputs",
    ])?;

    let mut parameters = BTreeMap::new();
    if let Some(node) = root.get("Parameters")? {
        for (name, node) in node.entries()? {
            parameters.insert(name.to_owned(), parameter(&node)?);
        }
    }
    let mut conditions = BTreeMap::new();
    if let Some(node) = root.get("Conditions")? {
        for (name, node) in node.entries()? {
            conditions.insert(name.to_owned(), node.condition()?);
        }
    }
    let globals = match root.get("Globals")? {
        Some(node) => {
            node.only(&["Function"])?;
            node.get("Function")?
        }
        None => None,
    };
    if let Some(globals) = &globals {
        known_function_properties(globals)?;
    }

    let mut functions = BTreeMap::new();
    let mut tables = BTreeMap::new();
    let mut keys = BTreeMap::new();
    let mut log_groups = BTreeMap::new();
    let mut integrations = BTreeMap::new();
    let mut route_nodes = Vec::new();
    let mut stage_found = None;
    let mut invocable = Vec::new();
    let mut schedulable = Vec::new();
    let mut queues = BTreeMap::new();
    let mut queue_policies = Vec::new();
    let mut queue_sources = Vec::new();
    let mut stream_sources = Vec::new();
    let mut schedules = Vec::new();
    let mut alarms = Vec::new();

    let resources = root.required("Resources")?;
    for (id, resource) in resources.entries()? {
        resource.only(&["Type", "Properties", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"])?;
        let kind = resource.required("Type")?;
        let properties = resource.required("Properties")?;
        match kind.scalar()?.as_str() {
            "AWS::Serverless::Function" => {
                functions.insert(id.to_owned(), function(id, &properties, globals.as_ref())?);
            }
            "AWS::DynamoDB::Table" => {
                tables.insert(id.to_owned(), table(&properties)?);
            }
            "AWS::KMS::Key" => {
                keys.insert(id.to_owned(), key(&properties)?);
            }
            "AWS::Logs::LogGroup" => {
                properties.only(&["LogGroupName", "RetentionInDays"])?;
                let retention_days = properties.get("RetentionInDays")?;
                let retention_days = retention_days.map(|node| node.expression()).transpose()?;
                log_groups.insert(id.to_owned(), LogGroup { retention_days });
            }
            "AWS::ApiGatewayV2::Api" => {
                properties.only(&["Name", "ProtocolType"])?;
                let protocol = properties.required("ProtocolType")?;
                if protocol.scalar()? != "HTTP" {
                    return Err(protocol.error("only HTTP APIs are modelled"));
                }
            }
            "AWS::ApiGatewayV2::Stage" => {
                if stage_found.is_some() {
                    return Err(resource.error("is a second stage"));
                }
                stage_found = Some(stage(&properties)?);
            }
            "AWS::ApiGatewayV2::Integration" => {
                integrations.insert(id.to_owned(), integration(&properties)?);
            }
            "AWS::ApiGatewayV2::Route" => route_nodes.push(properties),
            "AWS::Lambda::Permission" => {
                let function = resource_named(&properties.required("FunctionName")?)?;
                let principal = properties.required("Principal")?;
                match principal.scalar()?.as_str() {
                    "apigateway.amazonaws.com" => invocable.push(function),
                    "events.amazonaws.com" => schedulable.push((resource_named(&properties.required("SourceArn")?)?, function)),
                    _ => return Err(principal.error("only API Gateway and EventBridge are modelled")),
                }
            }
            "AWS::SQS::Queue" => {
                queues.insert(id.to_owned(), work::queue(&properties)?);
            }
            "AWS::SQS::QueuePolicy" => {
                properties.only(&["Queues", "PolicyDocument"])?;
                let on = properties.required("Queues")?.elements();
                let on = on.iter().map(resource_named).collect::<Result<Vec<_>, _>>()?;
                for found in properties.required("PolicyDocument")?.required("Statement")?.elements() {
                    queue_policies.push((on.clone(), statement(&found)?));
                }
            }
            "AWS::Lambda::EventSourceMapping" => match work::mapping(&properties)? {
                work::Source::Queue(source) => queue_sources.push(source),
                work::Source::Stream(source) => stream_sources.push(source),
            },
            "AWS::Events::Rule" => schedules.push(work::schedule(id, &properties)?),
            "AWS::CloudWatch::Alarm" => alarms.push(id.to_owned()),
            // What people look at; nothing runs by it.
            "AWS::CloudWatch::Dashboard" => {}
            _ => return Err(kind.error("is a type of resource that the local cloud does not model")),
        }
    }

    let routes = route_nodes.iter().map(|node| route(node, &integrations, &functions)).collect::<Result<Vec<_>, _>>()?;
    for (at, one) in routes.iter().enumerate() {
        if routes.iter().skip(at + 1).any(|other| other.key == one.key) {
            return Err(resources.error(format!("has the route `{}` twice", one.key)));
        }
    }
    let sources = queue_sources.iter().map(|source| (&source.function, &source.queue));
    let given_up = stream_sources.iter().map(|source| (&source.function, &source.on_failure));
    for (function, queue) in sources.chain(given_up) {
        if !functions.contains_key(function) || !queues.contains_key(queue) {
            return Err(resources.error(format!("has a mapping of `{queue}` to `{function}`, which are not a queue and a function")));
        }
    }
    if let Some(source) =
        stream_sources.iter().find(|source| !functions.contains_key(&source.function) || !tables.contains_key(&source.table))
    {
        return Err(
            resources.error(format!("has a mapping of `{}` to `{}`, which are not a table and a function", source.table, source.function))
        );
    }
    if let Some(schedule) = schedules.iter().find(|schedule| !schedulable.contains(&(schedule.rule.clone(), schedule.function.clone()))) {
        return Err(resources.error(format!("does not permit `{}` to invoke `{}`", schedule.rule, schedule.function)));
    }
    for (id, queue) in &queues {
        if let Some(redrive) = queue.redrive.as_ref().filter(|redrive| !queues.contains_key(&redrive.dead_letters)) {
            return Err(resources.error(format!("moves what `{id}` cannot deliver to `{}`, which is not a queue", redrive.dead_letters)));
        }
    }
    Ok(Template {
        parameters,
        conditions,
        functions,
        routes,
        stage: stage_found.ok_or_else(|| resources.error("has no AWS::ApiGatewayV2::Stage"))?,
        tables,
        keys,
        queues,
        queue_policies,
        queue_sources,
        stream_sources,
        schedules,
        log_groups,
        invocable,
        schedulable,
        alarms,
    })
}

fn parameter(node: &Node<'_>) -> Result<Parameter, TemplateError> {
    node.only(&["Type", "Default", "AllowedValues", "AllowedPattern", "ConstraintDescription", "Description"])?;
    Ok(Parameter {
        default: node.get("Default")?.map(|found| found.scalar()).transpose()?,
        allowed_values: node.get("AllowedValues")?.map(|found| found.scalars()).transpose()?.unwrap_or_default(),
        allowed_pattern: node.get("AllowedPattern")?.map(|found| found.scalar()).transpose()?,
    })
}

fn known_function_properties(node: &Node<'_>) -> Result<(), TemplateError> {
    node.only(&[
        "Description",
        "VersionDescription",
        "CodeUri",
        "Architectures",
        "Runtime",
        "Handler",
        "Timeout",
        "MemorySize",
        "Tracing",
        "LoggingConfig",
        "Environment",
        "Policies",
        "AutoPublishAlias",
        "DeploymentPreference",
    ])
}

fn function(id: &str, node: &Node<'_>, globals: Option<&Node<'_>>) -> Result<Function, TemplateError> {
    known_function_properties(node)?;
    let own_or_global = |name: &str| -> Result<Option<Node<'_>>, TemplateError> {
        if let Some(own) = node.get(name)? {
            return Ok(Some(own));
        }
        globals.map_or(Ok(None), |globals| globals.get(name))
    };

    let code_uri = node.required("CodeUri")?;
    let folder = code_uri.scalar()?;
    let binary = folder.strip_prefix("../functions/").ok_or_else(|| code_uri.error("must be a folder under ../functions/"))?.to_owned();
    if pascal_case(&binary) != id {
        return Err(code_uri.error(format!("the logical id of `{binary}` must be `{}`", pascal_case(&binary))));
    }

    let mut environment = BTreeMap::new();
    for holder in globals.into_iter().chain([node]) {
        if let Some(found) = holder.get("Environment")? {
            found.only(&["Variables"])?;
            environment.extend(found.required("Variables")?.expression_map()?);
        }
    }

    let mut statements = Vec::new();
    if let Some(policies) = node.get("Policies")? {
        for policy in policies.elements() {
            policy.only(&["Version", "Statement"])?;
            for found in policy.required("Statement")?.elements() {
                statements.push(statement(&found)?);
            }
        }
    }

    let log_group = match own_or_global("LoggingConfig")? {
        Some(logging) => {
            logging.only(&["LogFormat", "LogGroup", "ApplicationLogLevel", "SystemLogLevel"])?;
            logging.get("LogGroup")?.map(|found| found.expression()).transpose()?
        }
        None => None,
    };

    let timeout = own_or_global("Timeout")?.ok_or_else(|| node.error("lacks `Timeout`"))?;
    let memory = own_or_global("MemorySize")?.ok_or_else(|| node.error("lacks `MemorySize`"))?;
    Ok(Function {
        logical_id: id.to_owned(),
        binary,
        timeout: Duration::from_secs(timeout.number()?),
        memory_mb: memory.number()?,
        environment,
        statements,
        log_group,
    })
}

fn statement(node: &Node<'_>) -> Result<Statement, TemplateError> {
    node.only(&["Sid", "Effect", "Action", "Resource", "Condition", "Principal"])?;
    let effect = node.required("Effect")?;
    let effect = match effect.scalar()?.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return Err(effect.error("Allow or Deny is wanted here")),
    };
    let mut conditions = BTreeMap::new();
    if let Some(found) = node.get("Condition")? {
        for (operator, keys) in found.entries()? {
            let mut by_key = BTreeMap::new();
            for (key, values) in keys.entries()? {
                by_key.insert(key.to_owned(), values.expressions()?);
            }
            conditions.insert(operator.to_owned(), by_key);
        }
    }
    Ok(Statement {
        sid: node.get("Sid")?.map(|found| found.scalar()).transpose()?,
        effect,
        actions: node.required("Action")?.scalars()?,
        resources: node.required("Resource")?.expressions()?,
        conditions,
    })
}

fn table(node: &Node<'_>) -> Result<Table, TemplateError> {
    node.only(&[
        "BillingMode",
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "StreamSpecification",
        "TimeToLiveSpecification",
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
    ])?;
    let mut attributes = BTreeMap::new();
    for found in node.required("AttributeDefinitions")?.elements() {
        attributes.insert(found.required("AttributeName")?.scalar()?, found.required("AttributeType")?.scalar()?);
    }
    let mut indexes = Vec::new();
    if let Some(found) = node.get("GlobalSecondaryIndexes")? {
        for found in found.elements() {
            found.only(&["IndexName", "KeySchema", "Projection"])?;
            indexes.push(Index {
                name: found.required("IndexName")?.scalar()?,
                key: key_schema(&found.required("KeySchema")?)?,
                projection: projection(&found.required("Projection")?)?,
            });
        }
    }
    let flag_in = |outer: &str, inner: &str| -> Result<bool, TemplateError> {
        node.get(outer)?.map_or(Ok(false), |found| found.required(inner)?.flag())
    };
    let ttl_attribute = match node.get("TimeToLiveSpecification")? {
        Some(found) if found.required("Enabled")?.flag()? => Some(found.required("AttributeName")?.scalar()?),
        Some(_) | None => None,
    };
    let encryption_key = match node.get("SSESpecification")? {
        Some(found) => found.get("KMSMasterKeyId")?.map(|key| key.expression()).transpose()?,
        None => None,
    };
    Ok(Table {
        key: key_schema(&node.required("KeySchema")?)?,
        attributes,
        indexes,
        ttl_attribute,
        stream_view: node.get("StreamSpecification")?.map(|found| found.required("StreamViewType")?.scalar()).transpose()?,
        billing_mode: node.required("BillingMode")?.scalar()?,
        deletion_protection: node.get("DeletionProtectionEnabled")?.map_or(Ok(false), |found| found.flag())?,
        point_in_time_recovery: flag_in("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")?,
        encryption_key,
    })
}

fn key_schema(node: &Node<'_>) -> Result<KeySchema, TemplateError> {
    let mut partition = None;
    let mut sort = None;
    for found in node.elements() {
        let name = found.required("AttributeName")?.scalar()?;
        let kind = found.required("KeyType")?;
        match kind.scalar()?.as_str() {
            "HASH" => partition = Some(name),
            "RANGE" => sort = Some(name),
            _ => return Err(kind.error("HASH or RANGE is wanted here")),
        }
    }
    Ok(KeySchema { partition: partition.ok_or_else(|| node.error("has no HASH key"))?, sort })
}

fn projection(node: &Node<'_>) -> Result<Projection, TemplateError> {
    let kind = node.required("ProjectionType")?;
    match kind.scalar()?.as_str() {
        "KEYS_ONLY" => Ok(Projection::KeysOnly),
        "ALL" => Ok(Projection::All),
        "INCLUDE" => Ok(Projection::Include(node.required("NonKeyAttributes")?.scalars()?)),
        _ => Err(kind.error("KEYS_ONLY, ALL or INCLUDE is wanted here")),
    }
}

fn key(node: &Node<'_>) -> Result<Key, TemplateError> {
    node.only(&["Description", "EnableKeyRotation", "KeyPolicy", "KeySpec", "KeyUsage"])?;
    let policy = node.required("KeyPolicy")?;
    let statements = policy.required("Statement")?.elements();
    Ok(Key {
        spec: node.get("KeySpec")?.map_or(Ok("SYMMETRIC_DEFAULT".to_owned()), |found| found.scalar())?,
        statements: statements.iter().map(statement).collect::<Result<_, _>>()?,
    })
}

fn stage(node: &Node<'_>) -> Result<Stage, TemplateError> {
    node.only(&["ApiId", "StageName", "AutoDeploy", "DefaultRouteSettings", "AccessLogSettings"])?;
    let name = node.required("StageName")?;
    if name.scalar()? != "$default" {
        return Err(name.error("only the stage `$default` is modelled"));
    }
    let access_log_format = match node.get("AccessLogSettings")? {
        Some(found) => Some(found.required("Format")?.scalar()?),
        None => None,
    };
    Ok(Stage { name: name.scalar()?, access_log_format })
}

fn integration(node: &Node<'_>) -> Result<Integration, TemplateError> {
    node.only(&["ApiId", "IntegrationType", "IntegrationUri", "PayloadFormatVersion", "TimeoutInMillis"])?;
    for (name, wanted) in [("IntegrationType", "AWS_PROXY"), ("PayloadFormatVersion", "2.0")] {
        let found = node.required(name)?;
        if found.scalar()? != wanted {
            return Err(found.error(format!("only `{wanted}` is modelled")));
        }
    }
    let timeout = match node.get("TimeoutInMillis")? {
        Some(found) => found.number()?,
        None => 30_000,
    };
    Ok(Integration { function: resource_named(&node.required("IntegrationUri")?)?, timeout: Duration::from_millis(timeout) })
}

fn route(
    node: &Node<'_>,
    integrations: &BTreeMap<String, Integration>,
    functions: &BTreeMap<String, Function>,
) -> Result<Route, TemplateError> {
    node.only(&["ApiId", "RouteKey", "AuthorizationType", "Target"])?;
    let key_node = node.required("RouteKey")?;
    let key = key_node.scalar()?;
    let (method, path) =
        key.split_once(' ').filter(|(_, path)| path.starts_with('/')).ok_or_else(|| key_node.error("`METHOD /path` is wanted here"))?;
    let target = node.required("Target")?;
    let wanted = target.expression()?;
    let integration = integrations
        .iter()
        .find(|(id, _)| wanted == super::Expression::Substitute(format!("integrations/${{{id}}}")))
        .map(|(_, integration)| integration)
        .ok_or_else(|| target.error("`integrations/${…}` of an integration is wanted here"))?;
    if !functions.contains_key(&integration.function) {
        return Err(target.error(format!("`{}` is not a function", integration.function)));
    }
    let authorization = node.required("AuthorizationType")?;
    if authorization.scalar()? != "NONE" {
        return Err(authorization.error("authorizers of API Gateway are not modelled; functions authenticate"));
    }
    Ok(Route {
        method: method.to_owned(),
        path: path.to_owned(),
        function: integration.function.clone(),
        authorization: authorization.scalar()?,
        timeout: integration.timeout,
        key,
    })
}

/// The resource of `!Ref X`, `!GetAtt X.Arn`, or of SAM's `!Ref X.Alias`.
pub(super) fn resource_named(node: &Node<'_>) -> Result<String, TemplateError> {
    match node.expression()? {
        super::Expression::Ref(name) => Ok(name.strip_suffix(".Alias").map_or(name.clone(), str::to_owned)),
        super::Expression::Attribute { resource: name, .. } => Ok(name),
        super::Expression::Literal(_) | super::Expression::Substitute(_) | super::Expression::If { .. } | super::Expression::List(_) => {
            Err(node.error("a resource of this template is wanted here"))
        }
    }
}

fn pascal_case(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        })
        .collect()
}
