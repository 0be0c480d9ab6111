// Identity providers of other makers, as one process for the tests of sign-in.
//
//   node serve.mjs '{"client_id", "client_secret", "redirect_uri", "key", "certificate", "tenant"}'
//
// prints one line of JSON with their addresses when all of them listen, and ends when standard input does. `POST /person` at the control
// address names who signs in next, and claims that the mock server puts over its own.

import { createRequire } from 'node:module';
import http from 'node:http';
import express from 'express';
import Provider, { interactionPolicy } from 'oidc-provider';
import { OAuth2Server } from 'oauth2-mock-server';

const require = createRequire(import.meta.url);
const samlp = require('samlp');
const samlify = require('samlify');

const setup = JSON.parse(process.argv[2]);
let person = { email: 'ann@acme.example', subject: 'user-17', name: 'Ann' };
let overrides = {};
let header = {};

const listen = (app) =>
  new Promise((resolve) => {
    const server = http.createServer(app).listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

// An address has to be known before a provider that names it can be made: the application is exchanged afterwards.
const reserved = async () => {
  const holder = { app: (request, response) => response.writeHead(503).end() };
  const origin = await listen((request, response) => holder.app(request, response));
  return { origin, holder };
};

/** oidc-provider as one issuer; whoever `person` is signs in without a page. */
const oidc = (issuer, mount, own) => {
  const { Prompt, base } = interactionPolicy;
  const policy = base();
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);
  const provider = new Provider(issuer, {
    clients: [{ client_id: setup.client_id, client_secret: setup.client_secret, redirect_uris: [setup.redirect_uri], grant_types: ['authorization_code'], response_types: ['code'] }],
    claims: { openid: ['sub', ...own], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { policy, url: (ctx, interaction) => `${mount}/interaction/${interaction.uid}` },
    cookies: { keys: ['not a secret: this provider is gone with the test'] },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: person.email, email_verified: true, name: person.name, hd: person.hd, tid: person.tid, acct: 0 }),
    }),
  });
  const app = express();
  app.get('/interaction/:uid', async (request, response, next) => {
    try {
      const details = await provider.interactionDetails(request, response);
      let result = {};
      if (details.prompt.name === 'select_account') result = { select_account: {} };
      if (details.prompt.name === 'login') result = { login: { accountId: person.subject } };
      if (details.prompt.name === 'consent') {
        const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
        grant.addOIDCScope('openid email profile');
        result = { consent: { grantId: await grant.save() } };
      }
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
    } catch (error) {
      next(error);
    }
  });
  app.use(provider.callback());
  return app;
};

const google = await reserved();
google.holder.app = oidc(google.origin, '', ['hd']);

const microsoft = await reserved();
{
  const mount = `/${setup.tenant}/v2.0`;
  const tenant = oidc(`${microsoft.origin}${mount}`, mount, ['tid', 'acct']);
  const app = express();
  // The multi-tenant endpoints, which answer with the token of the tenant that the person belongs to.
  app.use((request, response, next) => {
    for (const [path, to] of [['authorize', 'auth'], ['token', 'token']]) {
      request.url = request.url.replace(`/organizations/oauth2/v2.0/${path}`, `${mount}/${to}`);
    }
    request.url = request.url.replace('/organizations/discovery/v2.0/keys', `${mount}/jwks`);
    next();
  });
  app.use(mount, tenant);
  microsoft.holder.app = app;
}

const mock = new OAuth2Server();
await mock.issuer.keys.generate('RS256');
await mock.start(0, '127.0.0.1');
mock.issuer.url = `http://127.0.0.1:${mock.address().port}`;
mock.service.on('beforeTokenSigning', (token) => {
  Object.assign(token.payload, { aud: setup.client_id, sub: person.subject, email: person.email, email_verified: true, hd: person.hd }, overrides);
  Object.assign(token.header, header);
  for (const [name, value] of Object.entries(token.payload)) if (value === null) delete token.payload[name];
});

const saml = await reserved();
{
  const app = express();
  const options = {
    issuer: `${saml.origin}/samlp`,
    cert: setup.certificate,
    key: setup.key,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
    getPostURL: (audience, document, request, callback) => {
      const acs = document.documentElement.getAttribute('AssertionConsumerServiceURL');
      callback(null, acs);
    },
    getUserFromRequest: () => ({ id: person.subject, emails: [{ value: person.email }], displayName: person.name, name: {} }),
  };
  app.get('/samlp/metadata', samlp.metadata({ ...options, redirectEndpointPath: '/samlp/sso', postEndpointPath: '/samlp/sso' }));
  // Destination and recipient are settings of an application there, made from its audience otherwise.
  app.get('/samlp/sso', (request, response, next) =>
    samlp.parseRequest(request, options, (error, asked) => {
      if (error) return next(error);
      const acs = asked.assertionConsumerServiceURL;
      return samlp.auth({ ...options, destination: acs, recipient: acs })(request, response, next);
    }),
  );

  const certificate = setup.certificate.replace(/-----[A-Z ]+-----|\s/g, '');
  const redirect = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
  samlify.setSchemaValidator({ validate: async () => 'not looked at: the document is our own' });
  const idp = samlify.IdentityProvider({
    entityID: `${saml.origin}/samlify`,
    signingCert: certificate,
    privateKey: setup.key,
    isAssertionEncrypted: false,
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    nameIDFormat: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    singleSignOnService: [{ Binding: redirect, Location: `${saml.origin}/samlify/sso` }],
    singleLogoutService: [{ Binding: redirect, Location: `${saml.origin}/samlify/slo` }],
    loginResponseTemplate: {
      context: samlify.SamlLib.defaultLoginResponseTemplate.context,
      attributes: [
        {
          name: 'email',
          valueTag: 'user.email',
          nameFormat: 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
          valueXsiType: 'xs:string',
        },
      ],
    },
  });
  app.get('/samlify/metadata', (request, response) => response.type('application/samlmetadata+xml').send(idp.getMetadata()));
  app.get('/samlify/sso', async (request, response, next) => {
    try {
      const asked = request.query;
      const xml = samlify.Utility.inflateString(asked.SAMLRequest);
      const acs = /AssertionConsumerServiceURL="([^"]+)"/.exec(xml)[1].replaceAll('&amp;', '&');
      const metadata = await (await fetch(acs.replace(/acs$/, 'metadata'))).text();
      const sp = samlify.ServiceProvider({ metadata });
      const extract = { request: { id: /\sID="([^"]+)"/.exec(xml)[1] } };
      const stamp = (minutes) => new Date(Date.now() + minutes * 60000).toISOString();
      const fill = (template) => {
        const id = `_${crypto.randomUUID()}`;
        const values = {
          ID: id,
          AssertionID: `_${crypto.randomUUID()}`,
          Destination: acs,
          Audience: sp.entityMeta.getEntityID(),
          EntityID: sp.entityMeta.getEntityID(),
          SubjectRecipient: acs,
          Issuer: idp.entityMeta.getEntityID(),
          IssueInstant: stamp(0),
          AssertionConsumerServiceURL: acs,
          StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
          ConditionsNotBefore: stamp(-1),
          ConditionsNotOnOrAfter: stamp(5),
          SubjectConfirmationDataNotOnOrAfter: stamp(5),
          NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
          NameID: person.subject,
          InResponseTo: extract.request.id,
          attrUserEmail: person.email,
        };
        // A value is text and is escaped; this one is markup.
        const statement = `<saml:AuthnStatement AuthnInstant="${stamp(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;
        return { id, context: samlify.SamlLib.replaceTagsByValue(template.replace('{AuthnStatement}', statement), values) };
      };
      const made = await idp.createLoginResponse(sp, extract, 'post', { email: person.email }, fill, false, asked.RelayState);
      response.send(
        `<form method="post" action="${acs}"><input type="hidden" name="SAMLResponse" value="${made.context}"><input type="hidden" name="RelayState" value="${asked.RelayState}"></form>`,
      );
    } catch (error) {
      next(error);
    }
  });
  saml.holder.app = app;
}

const control = await reserved();
{
  const app = express();
  app.use(express.json());
  app.post('/person', (request, response) => {
    ({ person, overrides = {}, header = {} } = request.body);
    response.json({});
  });
  control.holder.app = app;
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
console.log(
  JSON.stringify({ google: google.origin, microsoft: microsoft.origin, mock: mock.issuer.url, saml: saml.origin, control: control.origin }),
);
