// A certified OpenID provider (oidc-provider) with the accounts and the client of a test, on loopback only.
//   node provider.mjs <folder of its packages> <settings.json>
// Its signing keys are made at each start: starting it again is what a rotation of keys looks like from outside.
// Whom it knows and what they type stands in settings.json; nothing here is of use to anybody else.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, settingsFile] = process.argv.slice(2);
const { default: Provider, interactionPolicy } = await import(pathToFileURL(join(packages, 'node_modules/oidc-provider/lib/index.js')));
const settings = JSON.parse(readFileSync(settingsFile, 'utf8'));
const accounts = new Map(settings.accounts.map((one) => [one.subject, one]));

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomBytes(8).toString('hex') };
}

// The province's own client: nobody is asked whether it may know who they are.
const policy = interactionPolicy.base();
policy.remove('consent');

const provider = new Provider(settings.issuer, {
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clients: [{
    client_id: settings.client,
    client_secret: settings.secret,
    application_type: 'native', // a redirect to any port of loopback
    redirect_uris: settings.redirects,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: !settings.claimsInIdToken,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { policy, url: (_context, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 3600, IdToken: 60, Interaction: 600, Session: 3600 },
  async findAccount(_context, subject) {
    const known = accounts.get(subject);
    return known && { accountId: subject, claims: () => ({ sub: subject, ...known.claims }) };
  },
  async loadExistingGrant(context) {
    const { client, session } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
});

const FORM = `<!doctype html><html lang="en"><title>Provider</title><form method="post">
<input name="login" autocomplete="username"><input name="password" type="password">
<button name="answer" value="enter">Enter</button><button name="answer" value="cancel">Cancel</button></form></html>`;

async function interaction(request, response) {
  await provider.interactionDetails(request, response); // fails for an address that nobody was sent to
  if (request.method !== 'POST') {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(FORM);
    return;
  }
  const parts = [];
  for await (const part of request) parts.push(part);
  const form = new URLSearchParams(Buffer.concat(parts).toString());
  const account = settings.accounts.find((one) => one.login === form.get('login'));
  let result = { login: { accountId: account?.subject } };
  if (form.get('answer') === 'cancel') {
    result = { error: 'access_denied', error_description: 'cancelled' };
  } else if (!account || account.password !== form.get('password')) {
    response.statusCode = 403;
    response.end('wrong');
    return;
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const protocol = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    protocol(request, response);
    return;
  }
  interaction(request, response).catch((error) => {
    console.error(error);
    response.statusCode = 400;
    response.end('this cannot be done');
  });
}).listen(settings.port, '127.0.0.1');
